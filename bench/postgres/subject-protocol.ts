import type { LatencySummary } from "../lib/latency-recorder.js";

export interface Round {
  readonly opsPerSec: number;
  readonly errors: number;
  /** Processor time of this process for each operation; null: the work is another process's. */
  readonly cpuUsPerOp: number | null;
}

/**
 * What is measured: `put` overwrites keys that are there, drawn at random; `put-new` puts keys that are not, into a table
 * that is empty when it begins; `get` reads keys that are there.
 */
export type Load = "put" | "put-new" | "get";

export interface OpenRound {
  readonly opsPerSec: number;
  readonly errors: number;
  readonly latencies: LatencySummary;
}

/** What a run asks of a subject's process. */
export interface SubjectOrders {
  round: { readonly order: { readonly load: Load; readonly durationMs: number }; readonly answer: Round };
  /** Puts and gets by turns at this rate, whatever becomes of those before. */
  open: {
    readonly order: { readonly ratePerSec: number; readonly warmUpMs: number; readonly durationMs: number };
    readonly answer: OpenRound;
  };
  close: { readonly order: object; readonly answer: null };
}

export interface SubjectFacts {
  /** What it can do. */
  readonly loads: readonly Load[];
}

export interface SubjectStart {
  readonly name: string;
  readonly url: string;
  /** Folder of the server's programs. */
  readonly binaries: string;
  readonly inFlight: number;
}
