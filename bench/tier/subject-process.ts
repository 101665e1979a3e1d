import { OrderProcess } from "../lib/order-process.js";
import type { SubjectOrders, SubjectStart } from "./subject-protocol.js";

const ENTRY = new URL("subject-main.js", import.meta.url);

/** An engine with a tier or without, in a process of its own. */
export class SubjectProcess extends OrderProcess<SubjectOrders, object> {
  /** Resolves when it is connected. */
  static async open(start: SubjectStart, progress: (text: string) => void): Promise<SubjectProcess> {
    const subject = new SubjectProcess({ entry: ENTRY, name: start.name, start, progress });
    await subject.started();
    return subject;
  }
}
