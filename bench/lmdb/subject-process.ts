import { OrderProcess } from "../lib/order-process.js";
import type { SubjectFacts, SubjectOrders, SubjectStart } from "./subject-protocol.js";

const ENTRY = new URL("subject-main.js", import.meta.url);

/** One embedded store in a process of its own. */
export class SubjectProcess extends OrderProcess<SubjectOrders, SubjectFacts> {
  /** Resolves when the store is open and filled. */
  static async open(start: SubjectStart, progress: (text: string) => void): Promise<SubjectProcess> {
    const subject = new SubjectProcess({ entry: ENTRY, name: start.name, start, progress });
    await subject.started();
    return subject;
  }

  has(kind: "put" | "get"): boolean {
    return this.ready.kinds.includes(kind);
  }
}
