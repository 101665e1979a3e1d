import type { Engine } from "../engine/engine-contract.js";
import type { LiveDetail, OperationFigures } from "./live-message.js";
import type { ReadinessProbe } from "./readiness.js";

/** What the page shows beside the samples. */
export async function liveDetail(
  engine: Pick<Engine, "stats" | "slo">,
  readiness: ReadinessProbe,
): Promise<LiveDetail> {
  const { backend, checks } = await readiness.read();
  return {
    backend,
    checks,
    latency: engine.stats().latency as Record<string, OperationFigures>,
    objectives: engine.slo().objectives,
  };
}
