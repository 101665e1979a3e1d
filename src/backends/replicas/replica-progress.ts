import type { LogPosition } from "./recent-writes.js";

/** Where the primary's log was when it was asked; monotonic ms. */
export interface Mark {
  readonly atMs: number;
  readonly position: LogPosition;
}

/** How far a server has come that follows the primary. */
export class ReplicaProgress {
  #reached: LogPosition = 0n;
  #currentAsOfMs = Number.NEGATIVE_INFINITY;

  get reached(): LogPosition {
    return this.#reached;
  }

  /** When the primary was where this replica is now; monotonic ms. */
  get currentAsOfMs(): number {
    return this.#currentAsOfMs;
  }

  /** @param marks oldest first */
  cameTo(reached: LogPosition, marks: readonly Mark[]): void {
    if (reached < this.#reached) this.forget();
    this.#reached = reached;
    const mark = marks.findLast(({ position }) => position <= reached);
    if (mark !== undefined && mark.atMs > this.#currentAsOfMs) this.#currentAsOfMs = mark.atMs;
  }

  /** It may be anywhere: it was restarted perhaps, or follows nobody any more. */
  forget(): void {
    this.#currentAsOfMs = Number.NEGATIVE_INFINITY;
  }
}
