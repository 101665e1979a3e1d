import type { OnAndOffBench } from "../load/on-and-off.js";

/** Parts of the workload `observability`, in the order in which they run. */
export const OBSERVABILITY_PARTS = ["observability-cost", "observability-agreement"] as const;
export type ObservabilityPart = (typeof OBSERVABILITY_PARTS)[number];

/** What the parts are given. */
export type ObservabilityBench = OnAndOffBench;
