import { OrderProcess } from "../lib/order-process.js";
import type { Load, SubjectFacts, SubjectOrders, SubjectStart } from "./subject-protocol.js";

const ENTRY = new URL("subject-main.js", import.meta.url);

/** One way of keeping state on PostgreSQL, in a process of its own. */
export class SubjectProcess extends OrderProcess<SubjectOrders, SubjectFacts> {
  /** Resolves when it is connected and its tables are filled. */
  static async open(start: SubjectStart, progress: (text: string) => void): Promise<SubjectProcess> {
    const subject = new SubjectProcess({ entry: ENTRY, name: start.name, start, progress });
    await subject.started();
    return subject;
  }

  can(load: Load): boolean {
    return this.ready.loads.includes(load);
  }
}
