import { Kind } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import type { EngineCore } from "./engine-core.js";

/**
 * What this process answers to a get or contains: what the tier keeps or, while the store is away, what stands in for
 * it. undefined: the store is to be asked. For engines with a tier only.
 */
export function keptAnswer(core: EngineCore, kind: Kind, key: CanonicalKey): Buffer | boolean | null | undefined {
  const { tier, degraded, pipeline } = core;
  let kept = kind === Kind.get ? tier!.get(key) : tier!.contains(key);
  if (kept === undefined && degraded !== undefined) kept = degraded.atOnce(kind, key);
  if (kept !== undefined) pipeline.counters.answeredHere(kind, kept);
  return kept;
}
