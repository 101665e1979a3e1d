import { OPERATION_NAMES } from "../backends/request.js";
import type { LatencyRecorder } from "../observability/latency-recorder.js";
import type { EngineStats, OperationLatency } from "./engine-contract.js";
import type { EngineCore } from "./engine-core.js";

export function engineStatistics(core: EngineCore): EngineStats {
  const { counters } = core.pipeline;
  const { codec: inline, codecPool } = core;
  const bytesBeforeCompression = inline.statistics.bytesBeforeCompression + codecPool.statistics.bytesBeforeCompression;
  const bytesAfterCompression = inline.statistics.bytesAfterCompression + codecPool.statistics.bytesAfterCompression;
  const connections = core.driver.connections();
  const total = counters.succeeded + counters.failed;
  const reads = counters.hits + counters.misses;
  const latency: Partial<Record<string, OperationLatency>> = {};
  for (const [index, operation] of OPERATION_NAMES.entries()) {
    const recorder = counters.latency[index]!;
    if (recorder.count > 0) latency[operation] = summary(recorder);
  }
  for (const [operation, recorder] of Object.entries(core.batchLatency)) {
    if (recorder.count > 0) latency[operation] = summary(recorder);
  }
  return {
    operationsTotal: total,
    operationsSucceeded: counters.succeeded,
    operationsFailed: counters.failed,
    hits: counters.hits,
    misses: counters.misses,
    bytesRead: counters.bytesRead,
    bytesWritten: counters.bytesWritten,
    bytesBeforeCompression,
    bytesAfterCompression,
    batches: counters.batches,
    averageBatchSize: counters.batches === 0 ? 0 : counters.batchedOperations / counters.batches,
    retries: counters.retries,
    slowOperations: 0,
    pending: core.pipeline.pending,
    waiting: core.pipeline.waiting,
    inFlightBatches: core.pipeline.inFlightBatches,
    coalesced: counters.coalesced,
    cuts: { ...counters.cuts },
    activeConnections: connections.active,
    idleConnections: connections.idle,
    circuit: core.pipeline.circuit,
    hitRate: reads === 0 ? 0 : counters.hits / reads,
    errorRate: total === 0 ? 0 : counters.failed / total,
    compressionRatio: bytesAfterCompression === 0 ? 1 : bytesBeforeCompression / bytesAfterCompression,
    codecMs: inline.statistics.inlineMs,
    workers: codecPool.describe(),
    latency: latency as EngineStats["latency"],
  };
}

function summary(recorder: LatencyRecorder): OperationLatency {
  const histogram = recorder.histogram();
  return {
    count: histogram.totalCount,
    meanUs: histogram.mean,
    p50Us: histogram.getValueAtPercentile(50),
    p90Us: histogram.getValueAtPercentile(90),
    p99Us: histogram.getValueAtPercentile(99),
    p999Us: histogram.getValueAtPercentile(99.9),
    maxUs: histogram.maxValue,
  };
}
