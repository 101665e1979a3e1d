import { ConnectionError, type StateError } from "../../core/errors.js";
import type { BatchJob } from "./batch-job.js";
import { BACKEND } from "./errors.js";
import type { WireSession } from "./wire/wire-session.js";

/** Batches on one connection at once: the server finds the next when it has done one. */
export const JOBS_PER_LANE = 2;

/** What takes longer than a commit to a slow disk may be waiting for a row that another program has locked. */
const LATE_MS = 20;

/** One place in the pool: a connection, or the gap until there is one again, and the batches that go over it in order. */
export class Lane {
  session: WireSession | undefined;
  /** It has no connection because none was needed. */
  isAsleep = false;
  /** A batch was handed to it since this was made false. */
  wasUsed = false;
  /** When its connection was needed last, or opened. */
  neededAtMs = 0;
  readonly #waiting: BatchJob[] = [];
  /** At most a few; an array for the reason that `KeyedTable` gives. */
  readonly #sent: BatchJob[] = [];

  /** Batches handed to it and not ended. */
  get load(): number {
    return this.#waiting.length + this.#sent.length;
  }

  get isOpen(): boolean {
    return this.session?.isOpen === true;
  }

  /** Whether something that was sent over it and not answered may change the store. */
  get hasWritesUnderWay(): boolean {
    for (const job of this.#sent) if (job.hasWrites) return true;
    return false;
  }

  get hasRoom(): boolean {
    return this.isOpen && this.load < JOBS_PER_LANE;
  }

  /** Whether the answer that is next has been waited for so long that whoever can should go elsewhere. */
  get isLate(): boolean {
    const batch = this.#sent[0]?.batch;
    return batch !== undefined && ((batch.nowUs() - batch.sentAtUs) | 0) > LATE_MS * 1000;
  }

  take(job: BatchJob): void {
    this.wasUsed = true;
    this.#waiting.push(job);
    this.advance();
  }

  /** Sends what may be sent: nothing beside a dialog, which owns the connection's transaction, or what a pooler may forget. */
  advance(): void {
    for (;;) {
      const job = this.#waiting[0];
      const { session } = this;
      if (job === undefined || session?.isOpen !== true || this.#isInDialog()) return;
      if (session.isOneByOne && this.#sent.length > 0) return;
      this.#waiting.shift();
      this.#sent.push(job);
      job.send(session);
    }
  }

  ended(job: BatchJob): void {
    const index = this.#sent.indexOf(job);
    if (index >= 0) this.#sent.splice(index, 1);
  }

  /** Gives back what was not sent, in its order. */
  takeBack(): BatchJob[] {
    return this.#waiting.splice(0);
  }

  holds(job: BatchJob): boolean {
    return this.#sent.includes(job) || this.#waiting.includes(job);
  }

  /** Something of this batch was given up after it was sent: bytes that are still here must not leave. */
  abandon(job: BatchJob): void {
    if (!this.#sent.includes(job) || this.session?.hasUnsentBytes !== true) return;
    this.destroy(
      new ConnectionError(
        `${this.session.place}: closed, because a request was given up before all its bytes had left`,
        { backend: BACKEND, reason: "ERR_ABANDONED", retryable: true },
      ),
    );
  }

  destroy(cause: StateError): void {
    this.session?.destroy(cause);
  }

  #isInDialog(): boolean {
    for (const job of this.#sent) if (job.isDialog) return true;
    return false;
  }
}
