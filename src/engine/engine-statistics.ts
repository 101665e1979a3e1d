import { summaryFromHistogram, summaryOfCounts } from "../observability/latency-summary.js";
import type { OperationMeters } from "../observability/operation-meters.js";
import { coveredMs } from "../observability/sliding-counts.js";
import type { EngineStats, LatencyWindow, MeasuredLatency } from "./engine-contract.js";
import type { EngineCore } from "./engine-core.js";
import type { MetricsSource } from "./engine-metrics.js";

export function engineStatistics(core: EngineCore): EngineStats {
  return { ...countersOf(core), latency: latencies(core.telemetry.meters, core.telemetry.nowMs) };
}

/** All but the latencies, which take some time to put together. */
export function countersOf(core: EngineCore): Omit<EngineStats, "latency"> {
  const { counters } = core.pipeline;
  const { codec: inline, codecPool } = core;
  const bytesBeforeCompression = inline.statistics.bytesBeforeCompression + codecPool.statistics.bytesBeforeCompression;
  const bytesAfterCompression = inline.statistics.bytesAfterCompression + codecPool.statistics.bytesAfterCompression;
  const connections = core.driver.connections();
  const { succeeded, failed } = counters;
  const total = succeeded + failed;
  const reads = counters.hits + counters.misses;
  return {
    operationsTotal: total,
    operationsSucceeded: succeeded,
    operationsFailed: failed,
    hits: counters.hits,
    misses: counters.misses,
    bytesRead: counters.bytesRead,
    bytesWritten: counters.bytesWritten,
    bytesBeforeCompression,
    bytesAfterCompression,
    batches: counters.batches,
    averageBatchSize: counters.batches === 0 ? 0 : counters.batchedOperations / counters.batches,
    retries: counters.retries,
    slowOperations: core.telemetry.slowByOperation.reduce((sum, count) => sum + count, 0),
    pending: core.pipeline.pendingWork.admitted,
    pendingBytes: core.pipeline.pendingWork.bytes,
    waiting: core.pipeline.pendingWork.operations - core.pipeline.pendingWork.admitted,
    inFlightBatches: core.pipeline.inFlightBatches,
    coalesced: counters.coalesced,
    cuts: { ...counters.cuts },
    activeConnections: connections.active,
    idleConnections: connections.idle,
    circuit: core.pipeline.circuit,
    hitRate: reads === 0 ? 0 : counters.hits / reads,
    errorRate: total === 0 ? 0 : failed / total,
    compressionRatio: bytesAfterCompression === 0 ? 1 : bytesBeforeCompression / bytesAfterCompression,
    eventLoopLagMs: core.telemetry.loopLagMs,
    degraded: core.degraded?.statistics() ?? { reads: "fail", answeredAbsent: 0, answeredStale: 0 },
    cache: core.tier?.statistics() ?? null,
    codecMs: inline.statistics.inlineMs,
    workers: codecPool.describe(),
  };
}

function latencies(meters: OperationMeters, nowMs: number): EngineStats["latency"] {
  const latency: Partial<Record<string, MeasuredLatency>> = {};
  for (const [index, operation] of meters.operations.entries()) {
    const recorder = meters.latency[index]!;
    if (recorder.count === 0) continue;
    const window = (spanMs: number): LatencyWindow => ({
      spanMs: coveredMs(nowMs, spanMs, meters.startedAtMs),
      ...summaryOfCounts(recorder.window(nowMs, spanMs)),
    });
    latency[operation] = {
      ...summaryFromHistogram(recorder.totals),
      windows: { last10s: window(10_000), last1m: window(60_000), last5m: window(300_000) },
      phases: {
        queue: summaryOfCounts(meters.phases.queue[index]!.totals),
        codec: summaryOfCounts(meters.phases.codec[index]!.totals),
        store: summaryOfCounts(meters.phases.store[index]!.totals),
        decode: summaryOfCounts(meters.phases.decode[index]!.totals),
      },
    };
  }
  return latency as EngineStats["latency"];
}

export function metricsSource(core: EngineCore): MetricsSource {
  const { telemetry, driver, pipeline } = core;
  return {
    backend: driver.name,
    meters: telemetry.meters,
    counters: pipeline.counters,
    slowByOperation: telemetry.slowByOperation,
    stats: countersOf(core),
    slo: telemetry.sloReport(),
    loopLagMs: telemetry.loopLagMs,
    maxPending: core.options.queue.maxPending,
    maxConnections: driver.connections().limit ?? core.options.pool.max,
  };
}
