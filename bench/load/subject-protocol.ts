import type { EngineOptions } from "../../src/index.js";
import type { LatencySummary } from "../lib/latency-recorder.js";
import type { Comparison, Target } from "../lib/report.js";
import type { LoopResult } from "./closed-loop.js";
import type { InputShape } from "./inputs.js";
import type { Trace } from "./trace.js";
import type { Replay } from "./trace-replay.js";

/**
 * What a run asks of the process in which one subject lives, and what it answers. Workloads travel by name, inputs by
 * shape: each process makes its own from the same seed.
 */
export interface SubjectOrders {
  /** Makes the inputs of these loads beforehand. */
  prepare: { readonly order: { readonly shapes: readonly InputShape[] }; readonly answer: null };
  /** Writes every key once; resolves to how many puts failed. */
  load: {
    readonly order: { readonly shape: InputShape; readonly keys: "own" | "yardstick" };
    readonly answer: number;
  };
  /** Begins a cell: reads back what it writes, warms up. Resolves to how many values read back differ. */
  begin: { readonly order: { readonly workload: string }; readonly answer: number };
  /** One round of the cell that was begun. */
  round: { readonly order: RoundOrder; readonly answer: LoopResult };
  /** The latencies of all rounds of the cell. */
  end: { readonly order: object; readonly answer: LatencySummary };
  /** Operations begin at this rate, whatever becomes of those before. */
  open: {
    readonly order: { readonly workload: string; readonly ratePerSec: number; readonly durationMs: number };
    readonly answer: Comparison;
  };
  /** Keeps a trace for `replay`. */
  trace: { readonly order: { readonly trace: Trace }; readonly answer: null };
  replay: { readonly order: { readonly prefix: string }; readonly answer: Replay };
  /** The latencies of all replays. */
  replayed: { readonly order: object; readonly answer: LatencySummary };
  targets: {
    readonly order: { readonly roundMs: number };
    readonly answer: { readonly targets: Target[]; readonly comparisons: Comparison[] };
  };
  soak: {
    readonly order: { readonly durationMs: number };
    readonly answer: { readonly targets: Target[]; readonly comparison: Comparison };
  };
  close: { readonly order: object; readonly answer: null };
}

export interface RoundOrder {
  /** The load runs so long before it counts. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Whether operations are timed, for the cell's latencies. */
  readonly isTimed: boolean;
}

/** What a subject tells of itself when it is connected. */
export interface SubjectFacts {
  readonly packageName: string | null;
  readonly format: "plain" | "millrace" | "own";
}

/** What a subject's process is started with, as JSON in its first argument. */
export interface SubjectStart {
  readonly name: string;
  readonly url: string;
  readonly seed: number;
  /** Of the subject millrace; for others they mean nothing. */
  readonly engine?: EngineOptions;
}
