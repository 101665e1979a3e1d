import type { Comparison, Target } from "../lib/report.js";

/** Parts of the workload `observability`, in the order in which they run. */
export const OBSERVABILITY_PARTS = ["observability-cost", "observability-agreement"] as const;
export type ObservabilityPart = (typeof OBSERVABILITY_PARTS)[number];

/** What the parts are given: where to measure, for how long, and where the results go. */
export interface ObservabilityBench {
  readonly url: string;
  /** Fewer rounds. */
  readonly quick: boolean;
  /** Milliseconds for all of it; null: each part's own. */
  readonly budgetMs: number | null;
  progress(text: string): void;
  measured(title: string, rows: readonly Comparison[]): void;
  target(target: Target): void;
}
