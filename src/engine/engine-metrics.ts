import type { Registry } from "prom-client";
import { OPERATION_NAMES } from "../backends/request.js";
import { ERROR_CODES } from "../core/errors.js";
import type { LatencyRecorder } from "../observability/latency-recorder.js";
import { SLOTS } from "../observability/log-linear.js";
import {
  HistogramShape,
  type MetricDefinition,
  type MetricLabels,
  type Sample,
} from "../observability/metric-samples.js";
import type { OperationMeters } from "../observability/operation-meters.js";
import { PHASES } from "../observability/operation-meters.js";
import { ScrapedRegistry } from "../observability/scraped-registry.js";
import type { SloReport } from "../observability/slo-report.js";
import type { OperationCounters } from "../pipeline/operation-counters.js";
import type { EngineStats } from "./engine-contract.js";

/** What metrics are read from, taken once for all of a scrape. */
export interface MetricsSource {
  readonly backend: string;
  readonly meters: OperationMeters;
  readonly counters: OperationCounters;
  readonly slowByOperation: Float64Array;
  readonly stats: Omit<EngineStats, "latency">;
  readonly slo: SloReport;
  readonly loopLagMs: number;
  /** The options `queue.maxPending` and `pool.max`. */
  readonly maxPending: number;
  readonly maxConnections: number;
}

type Definition = MetricDefinition<MetricsSource>;

const DURATIONS_S = new HistogramShape(
  [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  1e-6,
);
const BATCH_SIZES = new HistogramShape([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000], 1);
const CIRCUIT_STATES = { closed: 0, "half-open": 1, open: 2 } as const;

/** Nothing of an operation that was never called. */
function durations({ totals }: LatencyRecorder, labels: MetricLabels): readonly Sample[] {
  return totals === undefined ? [] : DURATIONS_S.samples(totals, labels);
}

const single = (value: number): readonly Sample[] => [{ suffix: "", labels: {}, value }];

function counter(name: string, help: string, read: (source: MetricsSource) => number): Definition {
  return { name, type: "counter", help, labels: [], samples: (source) => single(read(source)) };
}

function gauge(name: string, help: string, read: (source: MetricsSource) => number): Definition {
  return { name, type: "gauge", help, labels: [], samples: (source) => single(read(source)) };
}

const INVALIDATION_STATES = ["changes", "time", "down"] as const;

/** Of the read-through tier; no sample without one. */
function tier(
  name: string,
  type: "counter" | "gauge",
  help: string,
  read: (tier: NonNullable<EngineStats["cache"]>) => number,
): Definition {
  return {
    name,
    type,
    help,
    labels: [],
    samples: ({ stats }) => (stats.cache === null ? [] : single(read(stats.cache))),
  };
}

/** A gauge per objective. */
function sloGauge(
  name: string,
  help: string,
  read: (objective: SloReport["objectives"][number]) => number,
): Definition {
  return {
    ...{ name, type: "gauge", help, labels: SLO_LABELS },
    samples: ({ slo }) =>
      slo.objectives.map((objective) => ({ suffix: "", labels: sloLabels(objective), value: read(objective) })),
  };
}

const SLO_LABELS = ["operation", "percentile", "latency_ms"];

function sloLabels({ operation, percentile, latencyMs }: SloReport["objectives"][number]): Record<string, string> {
  return { operation, percentile: String(percentile), latency_ms: String(latencyMs) };
}

export const METRIC_DEFINITIONS: readonly Definition[] = [
  {
    name: "operations_total",
    type: "counter",
    help: "Operations settled, one for each key of a multi-key call; status is success or error.",
    labels: ["operation", "status", "backend"],
    samples: ({ counters, backend }) =>
      OPERATION_NAMES.flatMap((operation, kind) => [
        { suffix: "", labels: { operation, status: "success", backend }, value: counters.succeededByKind[kind]! },
        { suffix: "", labels: { operation, status: "error", backend }, value: counters.failedByKind[kind]! },
      ]),
  },
  {
    name: "operation_duration_seconds",
    type: "histogram",
    help: "Time from a call to its settling, failed calls included; a multi-key call counts once.",
    labels: ["operation"],
    samples: ({ meters }) =>
      meters.operations.flatMap((operation, index) => durations(meters.latency[index]!, { operation })),
  },
  {
    name: "operation_phase_duration_seconds",
    type: "histogram",
    help: "The same time by phase (queue, codec, store, decode), of operations that succeeded, one for each key.",
    labels: ["operation", "phase"],
    samples: ({ meters }) =>
      meters.operations.flatMap((operation, index) =>
        PHASES.flatMap((phase) => durations(meters.phases[phase][index]!, { operation, phase })),
      ),
  },
  {
    name: "errors_total",
    type: "counter",
    help: "Operations failed, by the error's code.",
    labels: ["code"],
    samples: ({ counters }) =>
      ERROR_CODES.map((code) => ({ suffix: "", labels: { code }, value: counters.failedByCode.get(code) ?? 0 })),
  },
  {
    name: "slow_operations_total",
    type: "counter",
    help: "Calls that took slowLog.thresholdMs or longer.",
    labels: ["operation"],
    samples: ({ meters, slowByOperation }) =>
      meters.operations.map((operation, index) => {
        return { suffix: "", labels: { operation }, value: slowByOperation[index]! };
      }),
  },
  counter("retries_total", "Operations sent again.", ({ stats }) => stats.retries),
  counter("coalesced_operations_total", "Operations that shared another's command.", ({ stats }) => stats.coalesced),
  counter("batches_total", "Batches planned.", ({ stats }) => stats.batches),
  {
    name: "batch_size",
    type: "histogram",
    help: "Operations in a batch.",
    labels: [],
    samples: ({ meters }) => BATCH_SIZES.samples(meters.batchSizes.totals ?? NO_COUNTS, {}),
  },
  gauge("pending_operations", "Operations admitted and not settled.", ({ stats }) => stats.pending),
  gauge("pending_operations_limit", "How many of them there may be: queue.maxPending.", ({ maxPending }) => maxPending),
  gauge("pending_bytes", "Keys and values of operations called and not settled.", ({ stats }) => stats.pendingBytes),
  gauge("waiting_operations", "Operations beyond queue.maxPending, whose callers wait.", ({ stats }) => stats.waiting),
  gauge("inflight_batches", "Batches on their way.", ({ stats }) => stats.inFlightBatches),
  gauge("pool_connections_active", "Connections to the store in use.", ({ stats }) => stats.activeConnections),
  gauge(
    "pool_connections_idle",
    "Connections to the store that are open without work.",
    ({ stats }) => stats.idleConnections,
  ),
  gauge("pool_connections_limit", "Connections for data that there may be.", ({ maxConnections }) => maxConnections),
  gauge("circuit_breaker_state", "0 closed, 1 half-open, 2 open.", ({ stats }) => CIRCUIT_STATES[stats.circuit]),
  counter("hits_total", "Gets that found a value.", ({ stats }) => stats.hits),
  counter("misses_total", "Gets that found none.", ({ stats }) => stats.misses),
  gauge("cache_hit_rate", "Share of gets since the start that found a value, 0 to 1.", ({ stats }) => stats.hitRate),
  gauge(
    "compression_ratio",
    "Bytes of compressed values before compression, divided by those after it; 1: nothing was compressed.",
    ({ stats }) => stats.compressionRatio,
  ),
  counter(
    "compression_input_bytes_total",
    "Bytes of values that were stored compressed, before compression.",
    ({ stats }) => stats.bytesBeforeCompression,
  ),
  counter(
    "compression_output_bytes_total",
    "Bytes of the same values after compression.",
    ({ stats }) => stats.bytesAfterCompression,
  ),
  {
    name: "codec_seconds_total",
    type: "counter",
    help: "Time of compression and decompression, on the calling thread (extrapolated from every 64th call) and on codec threads.",
    labels: ["where"],
    samples: ({ stats }) => [
      { suffix: "", labels: { where: "main" }, value: stats.codecMs / 1000 },
      { suffix: "", labels: { where: "threads" }, value: stats.workers.threadMs / 1000 },
    ],
  },
  gauge("codec_threads", "Codec threads that are running.", ({ stats }) => stats.workers.threadsAlive),
  counter(
    "codec_thread_jobs_total",
    "Batches, or parts of them, handed to codec threads.",
    ({ stats }) => stats.workers.jobs.jobs,
  ),
  counter(
    "codec_thread_jobs_lost_total",
    "Of these, those lost with their thread and done again.",
    ({ stats }) => stats.workers.jobs.lost,
  ),
  counter("read_bytes_total", "Bytes of values returned by gets.", ({ stats }) => stats.bytesRead),
  counter(
    "written_bytes_total",
    "Bytes of values written, before compression; text counts by UTF-16 units.",
    ({ stats }) => stats.bytesWritten,
  ),
  tier("tier_hits_total", "counter", "Reads that the tier in this process answered.", (tier) => tier.hits),
  tier("tier_misses_total", "counter", "Reads that it had to leave to the store.", (tier) => tier.misses),
  tier("tier_hit_ratio", "gauge", "Share of the reads that asked it that it answered, 0 to 1.", (tier) => tier.hitRate),
  tier("tier_shared_reads_total", "counter", "Reads that shared one already with the store.", (tier) => tier.shared),
  tier("tier_fills_total", "counter", "Answers of the store that it took in.", (tier) => tier.fills),
  tier("tier_entries", "gauge", "Keys it holds.", (tier) => tier.entries),
  tier("tier_bytes", "gauge", "Bytes it holds.", (tier) => tier.bytes),
  tier("tier_bytes_limit", "gauge", "How many it may hold: cache.maxBytes.", (tier) => tier.maxBytes),
  tier("tier_evictions_total", "counter", "Keys that made room for others.", (tier) => tier.evictions),
  tier("tier_invalidations_total", "counter", "Changes by others that it heard of.", (tier) => tier.invalidations),
  tier("tier_flushes_total", "counter", "How often all of it was dropped.", (tier) => tier.flushes),
  {
    name: "tier_invalidation",
    type: "gauge",
    help: "1 for how it learns of changes by others: changes (it hears of them), time (it does not), down (the link is lost).",
    labels: ["state"],
    samples: ({ stats: { cache } }) =>
      cache === null
        ? []
        : INVALIDATION_STATES.map((state) => {
            return { suffix: "", labels: { state }, value: cache.invalidation === state ? 1 : 0 };
          }),
  },
  {
    name: "degraded_reads_total",
    type: "counter",
    help: "Reads answered while the store was away, as degraded.reads has it: as if absent, or stale from the tier.",
    labels: ["answer"],
    samples: ({ stats: { degraded } }) => [
      { suffix: "", labels: { answer: "absent" }, value: degraded.answeredAbsent },
      { suffix: "", labels: { answer: "stale" }, value: degraded.answeredStale },
    ],
  },
  gauge(
    "event_loop_lag_seconds",
    "Largest lateness of a timer in the last ten seconds.",
    ({ loopLagMs }) => loopLagMs / 1000,
  ),
  sloGauge("slo_compliance_ratio", "Share of operations that succeeded in time, 0 to 1.", (slo) => slo.compliance),
  sloGauge("slo_objective_ratio", "Share of operations that are to succeed in time.", (slo) => slo.percentile / 100),
  sloGauge(
    "slo_error_budget_remaining_ratio",
    "Share of the error budget left: 1 untouched, below 0 overdrawn.",
    (slo) => slo.budgetRemaining,
  ),
  {
    name: "slo_burn_rate",
    type: "gauge",
    help: "How fast the error budget is spent in a window: 1 uses it up at the end of the 30 days.",
    labels: [...SLO_LABELS, "window"],
    samples: ({ slo }) =>
      slo.objectives.flatMap((objective) =>
        objective.windows.map(({ window, burnRate }) => {
          return { suffix: "", labels: { ...sloLabels(objective), window }, value: burnRate };
        }),
      ),
  },
];

const NO_COUNTS = new Float64Array(SLOTS);

/** A registry of the engine's own, filled when it is scraped; empty without options. */
export function createMetricsRegistry(
  options: { readonly prefix: string; readonly labels: Readonly<Record<string, string>> } | false,
  read: () => MetricsSource,
): Registry {
  const registry = new ScrapedRegistry();
  if (options === false) return registry;
  registry.setDefaultLabels({ ...options.labels });
  let taken: MetricsSource | undefined;
  registry.add(options.prefix, METRIC_DEFINITIONS, () => {
    if (taken === undefined) {
      taken = read();
      // All metrics of a scrape are asked in one turn.
      queueMicrotask(() => {
        taken = undefined;
      });
    }
    return taken;
  });
  return registry;
}
