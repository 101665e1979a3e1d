import { OrderProcess } from "../lib/order-process.js";
import type { SubjectFacts, SubjectOrders, SubjectStart } from "./subject-protocol.js";

const ENTRY = new URL("subject-main.js", import.meta.url);

/** One client of a Redis in a process of its own. */
export class SubjectProcess extends OrderProcess<SubjectOrders, SubjectFacts> {
  /** Resolves when the subject is connected. */
  static async open(start: SubjectStart, progress: (text: string) => void): Promise<SubjectProcess> {
    const subject = new SubjectProcess({ entry: ENTRY, name: start.name, start, progress });
    await subject.started();
    return subject;
  }

  get packageName(): string | null {
    return this.ready.packageName;
  }

  /** See `Peer.format`. */
  get format(): "plain" | "millrace" | "own" {
    return this.ready.format;
  }
}
