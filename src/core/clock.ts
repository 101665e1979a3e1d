import { performance } from "node:perf_hooks";

export interface Clock {
  /** Milliseconds, fractional, never going back. For durations; not to be stored. */
  monotonicMs(): number;
  /** Milliseconds since 1970. For times that outlive the process; may jump. */
  wallMs(): number;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};
