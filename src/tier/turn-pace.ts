import type { EventLoop } from "../core/event-loop.js";

/** As long as the pipeline lets answers keep one turn. */
const MAX_TURN_MS = 2;

/**
 * A caller that awaits one answer from this process after the other never lets the event loop turn: no change by others
 * would be heard of, no timer fire. So a turn gives answers at once for so long, and from then on in the next turn.
 */
export class TurnPace {
  readonly #loop: EventLoop;
  /** Below 0: no answer was given in this turn. */
  #turnBeganMs = -1;
  #waiting: (() => void)[] = [];

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /** To be asked once per answer: whether it has to wait for the next turn. */
  isUsedUp(nowMs: number): boolean {
    if (this.#turnBeganMs >= 0) return nowMs - this.#turnBeganMs >= MAX_TURN_MS;
    this.#turnBeganMs = nowMs;
    this.#loop.inNextTurn(this.#turned);
    return false;
  }

  /** Resolves in the next turn. */
  nextTurn<T>(answer: T): Promise<T> {
    return new Promise((resolve) => this.#waiting.push(() => resolve(answer)));
  }

  readonly #turned = (): void => {
    this.#turnBeganMs = -1;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  };
}
