import type { EventLoop } from "../core/event-loop.js";
import { shortLivedList } from "../core/short-lived-list.js";

/** As long as the pipeline lets answers keep one turn. */
const MAX_TURN_MS = 2;
/** A look at the clock can cost half of what an answer does. */
const ANSWERS_PER_LOOK = 16;

/**
 * A caller that awaits one answer from this process after the other never lets the event loop turn: no change by others
 * would be heard of, no timer fire. So a turn gives answers at once for so long, and from then on in the next turn.
 */
export class TurnPace {
  readonly #loop: EventLoop;
  /** Below 0: no answer was given in this turn. */
  #turnBeganMs = -1;
  #lookedAtMs = 0;
  #answersToLook = 0;
  #waiting: (() => void)[] = shortLivedList();

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /** To be asked once per answer: the time, as it was up to 16 answers ago in this turn. */
  roughlyNowMs(): number {
    return --this.#answersToLook >= 0 ? this.#lookedAtMs : this.#look();
  }

  /** Whether answers have to wait for the next turn. */
  get isUsedUp(): boolean {
    return this.#turnBeganMs >= 0 && this.#lookedAtMs - this.#turnBeganMs >= MAX_TURN_MS;
  }

  get lookedAtMs(): number {
    return this.#lookedAtMs;
  }

  /** To be called only where this turn is used up: what it had to give has then begun to wait for the next. */
  inNextTurn(run: () => void): void {
    this.#waiting.push(run);
  }

  #look(): number {
    this.#lookedAtMs = this.#loop.nowMs();
    this.#answersToLook = ANSWERS_PER_LOOK - 1;
    if (this.#turnBeganMs < 0) {
      this.#turnBeganMs = this.#lookedAtMs;
      this.#loop.inNextTurn(this.#turned);
    }
    return this.#lookedAtMs;
  }

  readonly #turned = (): void => {
    this.#turnBeganMs = -1;
    this.#answersToLook = 0;
    const waiting = this.#waiting;
    this.#waiting = shortLivedList();
    for (const resume of waiting) resume();
  };
}
