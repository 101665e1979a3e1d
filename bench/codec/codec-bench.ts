import type { Comparison, Target } from "../lib/report.js";

/** Parts of the workload `codec`, in the order in which they run. */
export const CODEC_PARTS = [
  "codec-1KiB",
  "codec-grid",
  "codec-offload",
  "codec-faults",
  "codec-ratio",
  "codec-header",
] as const;
export type CodecPart = (typeof CODEC_PARTS)[number];

export interface RedisStore {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

/** What the parts are given: where to measure, for how long, and where the results go. */
export interface CodecBench {
  readonly stores: { readonly redis?: RedisStore };
  /** null: all. */
  readonly peers: readonly string[] | null;
  /** Fewer cells and rounds. */
  readonly quick: boolean;
  /** All cells of the grid. */
  readonly full: boolean;
  /** Undefined: each part's own. */
  readonly roundMs?: number;
  /** Milliseconds for further rounds of cells of the grid that are close to their bounds. Undefined: none have any. */
  readonly gridSpareMs?: number;
  progress(text: string): void;
  note(text: string): void;
  measured(title: string, rows: readonly Comparison[]): void;
  /** Rows that are shown in a table of the part's own. */
  recorded(rows: readonly Comparison[]): void;
  target(target: Target): void;
}
