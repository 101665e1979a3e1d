import type { Driver } from "../backends/contract.js";
import { KeyChecksum } from "../backends/key-checksum.js";
import { openBackend } from "../backends/open-backend.js";
import type { Compressor } from "../codec/compression/compressor.js";
import { openCompressor } from "../codec/compression/open-compressor.js";
import { Envelope } from "../codec/envelope.js";
import { ConfigError, StateError, UnsupportedOperationError } from "../core/errors.js";
import { systemLoop } from "../core/event-loop.js";
import { prepareHistograms } from "../observability/latency-summary.js";
import { Pipeline } from "../pipeline/pipeline.js";
import { DegradedReads } from "../tier/degraded-reads.js";
import { ReadTier } from "../tier/read-tier.js";
import { type CodecPool, createCodecPool } from "../workers/codec-pool.js";
import { calledAs } from "./called-as.js";
import type { Engine } from "./engine-contract.js";
import { EngineCore } from "./engine-core.js";
import { createMetricsRegistry } from "./engine-metrics.js";
import { metricsSource } from "./engine-statistics.js";
import { EngineTelemetry } from "./engine-telemetry.js";
import { type EngineOptions, parseEngineOptions, type ResolvedOptions } from "./options.js";
import { StateEngine } from "./state-engine.js";

/**
 * Opens an engine and resolves when its store has answered.
 *
 * @param input the store's URL, or options; default: embedded, durable, in `./.millrace`
 * @throws ConfigError for options that make no sense, or where LMDB has no binary for this platform;
 *   UnsupportedOperationError for a store or an option that this release, or this store, does not have;
 *   ConnectionError when the store does not answer within `timeouts.connectMs`, and at once when it refuses the
 *   connection or the login; BackendError when PostgreSQL will not have the engine's tables made
 */
export async function createEngine(input?: string | EngineOptions, ...others: never[]): Promise<Engine> {
  try {
    refuseOptionsBehind(others);
    return await openEngine(input);
  } catch (error) {
    throw error instanceof StateError && error.operation === undefined ? calledAs(error, "createEngine") : error;
  }
}

async function openEngine(input: string | EngineOptions | undefined): Promise<Engine> {
  const options = parseEngineOptions(input);
  const driver =
    options.backend.kind === "driver" ? options.backend.driver : await openBackend(options.backend, options);
  refuseWhatTheStoreCannot(driver, options);
  const codecPool = openCodecPool(options);
  const codec = openCodec(options, codecPool);
  await prepareHistograms();
  const telemetry = new EngineTelemetry(driver.name, options, systemLoop);
  const checksum = new KeyChecksum(options.keyPrefix);
  const tier = openTier(driver, options);
  const degraded = openDegradedReads(driver, options, tier, () => pipeline.circuit === "open");
  const { maxPending, maxBytes: maxPendingBytes, overflow } = options.queue;
  const pipeline = new Pipeline(
    driver,
    {
      ...options.batching,
      ...{ maxPending, maxPendingBytes, overflow },
      operationMs: options.timeouts.operationMs,
      retry: options.retry,
      circuitBreaker: options.circuitBreaker,
      watcher: telemetry,
      reads: tier,
      failedReads: degraded,
    },
    { codec, batchCodec: codecPool, keyChecksum: (key) => checksum.of(key) },
  );
  await driver.open({
    keyPrefix: options.keyPrefix,
    codec,
    connectTimeoutMs: options.timeouts.connectMs,
    operationTimeoutMs: options.timeouts.operationMs,
    maxValueBytes: options.maxValueBytes,
    logger: options.logger,
    onWritable: () => pipeline.resume(),
    onConnected: () => pipeline.reconnected(),
    onReconnected: () => {
      telemetry.reconnected();
      pipeline.reconnected();
    },
  });
  telemetry.begin(pipeline.times);
  const metrics = createMetricsRegistry(options.metrics, () => metricsSource(core));
  const core = new EngineCore({ driver, pipeline, codec, codecPool, telemetry, metrics, options, tier, degraded });
  return new StateEngine(core);
}

function openCodecPool(options: ResolvedOptions): CodecPool {
  const { codec, thresholdBytes, level } = options.compression;
  const { checksum, maxValueBytes, logger } = options;
  return createCodecPool({ ...options.workers, codec, level, thresholdBytes, checksum, maxValueBytes, logger });
}

function openTier(driver: Driver, { cache, degraded }: ResolvedOptions): ReadTier | undefined {
  if (cache === false) return undefined;
  const tier = new ReadTier({ ...cache, keepsStale: degraded.reads === "stale" }, systemLoop);
  if (driver.watchChanges !== undefined) {
    tier.expectLink();
    driver.watchChanges(tier);
  }
  return tier;
}

function openDegradedReads(
  driver: Driver,
  { degraded, timeouts, logger }: ResolvedOptions,
  tier: ReadTier | undefined,
  isCircuitOpen: () => boolean,
): DegradedReads | undefined {
  const { reads, maxStaleMs } = degraded;
  if (reads === "fail") return undefined;
  const isAway = (): boolean => driver.outage?.() !== undefined || isCircuitOpen();
  const { operationMs } = timeouts;
  return new DegradedReads({ reads, maxStaleMs, operationMs, backend: driver.name, logger, isAway }, tier, systemLoop);
}

function refuseWhatTheStoreCannot(driver: Driver, options: ResolvedOptions): void {
  const { replicatedDurability, expiry } = driver.capabilities;
  const unsupported =
    (options.durability === "replicated" && !replicatedDurability && "durability 'replicated'") ||
    ((options.defaultTtlMs ?? 0) > 0 && !expiry && "defaultTtlMs");
  if (!unsupported) return;
  throw new UnsupportedOperationError(`${unsupported} is not supported by this store`, {
    backend: driver.name,
    reason: "ERR_UNSUPPORTED_OPTION",
  });
}

function openCodec(options: ResolvedOptions, codecPool: CodecPool): Envelope {
  const { codec, thresholdBytes, level } = options.compression;
  const open = (name: Compressor["name"]): Compressor => openCompressor(name, name === codec ? level : undefined);
  const decompressors = [open("lz4"), open("zstd"), open("snappy")];
  const compressor = decompressors.find((candidate) => candidate.name === codec);
  compressor?.prepare();
  return new Envelope({
    checksum: options.checksum,
    compressor,
    thresholdBytes,
    decompressors,
    maxValueBytes: options.maxValueBytes,
    observer: (direction, bytes, elapsedMs) => codecPool.observeInline(direction, 1, bytes, elapsedMs),
  });
}

/** `createEngine(url, options)` is how many clients are called: the options would be lost without a word. */
function refuseOptionsBehind(others: readonly unknown[]): void {
  if (typeof others[0] !== "object" || others[0] === null) return;
  throw new ConfigError("createEngine takes one argument: with options the URL is one of them, { backend: url, … }", {
    reason: "ERR_CONFIG",
  });
}
