import type { EventLoop, LoopTimer } from "../core/event-loop.js";

const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * One timer for all deadlines, armed for the earliest that is known. It is not stopped when the operation settles
 * (that would cost more than the operation): it fires, finds what is left, and is armed again for that.
 */
export class DeadlineTimer {
  readonly #loop: EventLoop;
  readonly #onDue: (dueMs: number) => void;
  #timer: LoopTimer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  /** What it was armed with. */
  #delayMs = Number.POSITIVE_INFINITY;

  /** @param onDue told for when the timer was armed */
  constructor(loop: EventLoop, onDue: (dueMs: number) => void) {
    this.#loop = loop;
    this.#onDue = onDue;
  }

  /** Whether it fires in time for a deadline that is so far away now. Says no where only the clock could say yes. */
  covers(delayMs: number): boolean {
    return this.#delayMs <= delayMs;
  }

  /** When it is to fire; infinite: not at all. A time that is past: something has kept the event loop since. */
  get dueMs(): number {
    return this.#dueMs;
  }

  arm(delayMs: number): void {
    const dueMs = this.#loop.nowMs() + delayMs;
    if (dueMs >= this.#dueMs) return;
    this.stop();
    this.#dueMs = dueMs;
    this.#delayMs = delayMs;
    // Never the reason for a process to stay alive: what is pending has a connection or a reconnect timer that is.
    const waitMs = Math.min(Math.max(1, Math.ceil(delayMs)), MAX_DELAY_MS);
    this.#timer = this.#loop.setTimer(waitMs, this.fire, false);
  }

  stop(): void {
    this.#loop.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#delayMs = Number.POSITIVE_INFINITY;
  }

  /** As if its time had come. */
  readonly fire = (): void => {
    const dueMs = this.#dueMs;
    this.stop();
    this.#onDue(dueMs);
  };
}
