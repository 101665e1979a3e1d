import type { Clock } from "../core/clock.js";

interface Alarm {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * A clock that stands still until it is told to go on. What was asked for with `after` runs in the order of its times
 * while the clock passes them, so a simulation of hours takes as long as its work.
 */
export class VirtualClock implements Clock {
  #monotonicMs: number;
  #wallMs: number;
  #orders = 0;
  readonly #alarms: Alarm[] = [];

  constructor(startMs = 0, wallStartMs = 1_700_000_000_000) {
    this.#monotonicMs = startMs;
    this.#wallMs = wallStartMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  /** Alarms that have not run. */
  get pending(): number {
    return this.#alarms.length;
  }

  /** Runs `run` once so many milliseconds have passed. Returns what calls it off. */
  after(delayMs: number, run: () => void): () => void {
    const alarm: Alarm = { dueMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#orders++, run };
    const later = this.#alarms.findIndex((other) => other.dueMs > alarm.dueMs);
    this.#alarms.splice(later < 0 ? this.#alarms.length : later, 0, alarm);
    return () => {
      const index = this.#alarms.indexOf(alarm);
      if (index >= 0) this.#alarms.splice(index, 1);
    };
  }

  /** Lets time pass. Alarms see the clock at their own times, and may set others that are due on the way. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a clock cannot advance by ${ms} ms`);
    const until = this.#monotonicMs + ms;
    for (;;) {
      const alarm = this.#alarms[0];
      if (alarm === undefined || alarm.dueMs > until) break;
      this.#alarms.shift();
      this.#goTo(alarm.dueMs);
      alarm.run();
    }
    this.#goTo(until);
  }

  /** Sets the wall clock forward or back, as an administrator would; durations do not notice. */
  jumpWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  #goTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}
