import type { Clock } from "../../src/core/clock.js";

export { BatchProbe, inOneBatch } from "../../src/testing/driver-kit/batch-probe.js";
export { driverContext, plainOptions } from "../../src/testing/driver-kit/driver-context.js";

/** A clock whose two sides stand still until told to go on. */
export class FakeClock implements Clock {
  #nowMs: number;

  constructor(nowMs = 1_800_000_000_000) {
    this.#nowMs = nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }
}
