import type { Engine } from "../engine/engine-contract.js";
import type { LiveDetail, LiveSlow, OperationFigures } from "./live-message.js";
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

export function liveSlow(engine: Pick<Engine, "slowOperations">, total: number): LiveSlow {
  return { total, operations: engine.slowOperations() };
}
