import type { EngineStats } from "../engine/engine-contract.js";
import type { LiveSample, Percentiles } from "./live-message.js";

/** What happened between two readings of an engine's statistics, `spanMs` apart. */
export function liveSample(stats: EngineStats, before: EngineStats, spanMs: number, atMs: number): LiveSample {
  const grown = (name: NumericCounter): number => stats[name] - before[name];
  const perSec = (name: NumericCounter): number => rounded((grown(name) * 1000) / spanMs);
  const operations = grown("operationsTotal");
  const batches = grown("batches");
  return {
    atMs,
    operationsTotal: stats.operationsTotal,
    failedTotal: stats.operationsFailed,
    operationsPerSec: perSec("operationsTotal"),
    failedPerSec: perSec("operationsFailed"),
    retriesPerSec: perSec("retries"),
    bytesReadPerSec: perSec("bytesRead"),
    bytesWrittenPerSec: perSec("bytesWritten"),
    batchesPerSec: perSec("batches"),
    operationsPerBatch: share(operations, batches),
    hitRate: share(grown("hits"), grown("hits") + grown("misses")),
    errorRate: share(grown("operationsFailed"), operations),
    coalescedShare: share(grown("coalesced"), operations),
    compressionRatio: rounded(stats.compressionRatio),
    pending: stats.pending,
    waiting: stats.waiting,
    inFlightBatches: stats.inFlightBatches,
    activeConnections: stats.activeConnections,
    idleConnections: stats.idleConnections,
    circuit: stats.circuit,
    cache: cacheFigures(stats.cache, before.cache, spanMs),
    loopLagMs: rounded(stats.eventLoopLagMs),
    latency: percentilesOf(stats.latency),
  };
}

function cacheFigures(cache: EngineStats["cache"], before: EngineStats["cache"], spanMs: number): LiveSample["cache"] {
  if (cache === null) return null;
  const hits = cache.hits - (before?.hits ?? 0);
  const misses = cache.misses - (before?.misses ?? 0);
  const evictions = cache.evictions - (before?.evictions ?? 0);
  return {
    hitRate: share(hits, hits + misses),
    entries: cache.entries,
    bytes: cache.bytes,
    evictionsPerSec: rounded((evictions * 1000) / spanMs),
    invalidation: cache.invalidation,
  };
}

function percentilesOf(latency: EngineStats["latency"]): Record<string, Percentiles> {
  const percentiles: Record<string, Percentiles> = {};
  for (const [operation, figures] of Object.entries(latency)) {
    const { count, p50Us, p90Us, p99Us, p999Us } = figures.windows.last10s;
    if (count > 0) percentiles[operation] = { p50Us, p90Us, p99Us, p999Us };
  }
  return percentiles;
}

type NumericCounter =
  | "operationsTotal"
  | "operationsFailed"
  | "retries"
  | "bytesRead"
  | "bytesWritten"
  | "batches"
  | "hits"
  | "misses"
  | "coalesced";

function share(part: number, whole: number): number | null {
  return whole <= 0 ? null : rounded(part / whole);
}

/** Five digits are more than a chart shows, and half the bytes of a double. */
function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
