const TICK_MS = 10;
/** A timer this much behind means that the loop was busy with something. */
const NOTICEABLE_MS = 10;
const KEPT = 4096;

/**
 * How long the event loop did not run. A promise cannot settle while the process itself is busy or off the
 * processor, so that time is not held against whoever had to settle it.
 */
export class StallMeter {
  readonly #timer: NodeJS.Timeout;
  readonly #stalls: { readonly fromMs: number; readonly untilMs: number }[] = [];
  #lastMs = performance.now();

  constructor() {
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.#note(nowMs);
      this.#lastMs = nowMs;
    }, TICK_MS);
    this.#timer.unref();
  }

  /** Milliseconds of stall between two times, a stall that has not ended included. */
  stalledMs(fromMs: number, untilMs: number): number {
    const running = { fromMs: this.#lastMs + TICK_MS, untilMs: performance.now() };
    let sum = 0;
    for (const stall of [...this.#stalls, running]) {
      sum += Math.max(0, Math.min(untilMs, stall.untilMs) - Math.max(fromMs, stall.fromMs));
    }
    return sum;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #note(nowMs: number): void {
    if (nowMs - this.#lastMs < TICK_MS + NOTICEABLE_MS) return;
    this.#stalls.push({ fromMs: this.#lastMs + TICK_MS, untilMs: nowMs });
    if (this.#stalls.length > KEPT) this.#stalls.shift();
  }
}
