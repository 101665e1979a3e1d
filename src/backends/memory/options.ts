import type { Clock } from "../../core/clock.js";

export interface MemoryOptions {
  /** Source of time; default: the system's. Lifetimes are measured on its monotonic side. */
  readonly clock?: Clock;
}
