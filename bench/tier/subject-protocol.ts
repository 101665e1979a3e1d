import type { LatencySummary } from "../lib/latency-recorder.js";
import type { LoopResult } from "../load/closed-loop.js";
import type { InputShape } from "../load/inputs.js";

/**
 * `get`: reads through the engine. `bare`: what a hit could cost at the least: a Map of values in this process, one looked
 * up and copied for each awaited call.
 */
export type TierLoad = "get" | "bare";

/** What the tier of a subject holds and has done. */
export interface TierFigures {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
  readonly bytes: number;
}

/** What a run asks of a subject's process. */
export interface SubjectOrders {
  /** Writes every key once. */
  fill: { readonly order: object; readonly answer: null };
  /** Reads the first keys once, so many of them, so that the tier has them. */
  keep: { readonly order: { readonly count: number }; readonly answer: null };
  round: {
    readonly order: { readonly load: TierLoad; readonly inFlight: number; readonly durationMs: number };
    readonly answer: LoopResult;
  };
  timed: {
    readonly order: { readonly inFlight: number; readonly durationMs: number };
    readonly answer: { readonly latencies: LatencySummary; readonly errors: number };
  };
  tier: { readonly order: object; readonly answer: TierFigures };
  clear: { readonly order: object; readonly answer: null };
  close: { readonly order: object; readonly answer: null };
}

export interface SubjectStart {
  readonly name: string;
  readonly url: string;
  readonly shape: InputShape;
  readonly seed: number;
  /** Room of the tier; 0: none. */
  readonly cacheBytes: number;
}
