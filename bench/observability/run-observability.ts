import { measureAgreement } from "./agreement.js";
import { measureCost } from "./cost.js";
import type { ObservabilityBench, ObservabilityPart } from "./observability-bench.js";

const PARTS: Record<ObservabilityPart, (bench: ObservabilityBench) => Promise<void>> = {
  "observability-cost": measureCost,
  "observability-agreement": measureAgreement,
};

export async function runObservability(parts: readonly ObservabilityPart[], bench: ObservabilityBench): Promise<void> {
  const budgetMs = bench.budgetMs === null ? null : bench.budgetMs / parts.length;
  for (const part of parts) await PARTS[part]({ ...bench, budgetMs });
}
