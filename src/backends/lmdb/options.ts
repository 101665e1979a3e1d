import type { Clock } from "../../core/clock.js";

export interface LmdbOptions {
  /** Directory of the store; created, its parents too, if it is not there. */
  readonly path: string;
  /** Bytes that its entries may take, trees and rounding to pages included; default: what the disk has. */
  readonly maxBytes?: number;
  /** Source of time; default: the system's. Lifetimes are stored on its wall side. */
  readonly clock?: Clock;
  /** Bytes the store may still grow by, asked before every commit; default: what is free on the volume of `path`. */
  readonly freeBytes?: () => number;
}
