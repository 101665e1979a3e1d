import type { Registry } from "prom-client";
import type { Driver } from "../backends/contract.js";
import type { ValueCodec } from "../codec/value-codec.js";
import type { CanonicalKey } from "../core/key.js";
import type { Pipeline } from "../pipeline/pipeline.js";
import type { DegradedReads } from "../tier/degraded-reads.js";
import type { ReadTier } from "../tier/read-tier.js";
import type { CodecPool } from "../workers/codec-pool.js";
import type { ArgumentLimits } from "./call-arguments.js";
import type { EngineTelemetry } from "./engine-telemetry.js";
import type { ResolvedOptions } from "./options.js";

export interface EngineParts {
  readonly driver: Driver;
  readonly pipeline: Pipeline;
  readonly codec: ValueCodec;
  readonly codecPool: CodecPool;
  readonly telemetry: EngineTelemetry;
  readonly metrics: Registry;
  readonly options: ResolvedOptions;
  readonly tier: ReadTier | undefined;
  readonly degraded: DegradedReads | undefined;
}

/** What all views of one engine share. */
export class EngineCore {
  readonly driver: Driver;
  readonly pipeline: Pipeline;
  readonly codec: ValueCodec;
  readonly codecPool: CodecPool;
  readonly telemetry: EngineTelemetry;
  readonly options: ResolvedOptions;
  /** undefined: a read that fails, fails. */
  readonly degraded: DegradedReads | undefined;
  /** undefined: every read asks the store. */
  readonly tier: ReadTier | undefined;
  readonly limits: ArgumentLimits;
  readonly metrics: Registry;
  /**
   * Work besides the pipeline's that was begun before the engine closes and has to come to its end, each with what makes
   * it if it would wait for its caller.
   */
  readonly #jobs = new Map<Promise<unknown>, (() => void) | undefined>();
  #closing: Promise<void> | undefined;

  constructor(parts: EngineParts) {
    const { driver, options } = parts;
    this.driver = driver;
    this.pipeline = parts.pipeline;
    this.codec = parts.codec;
    this.codecPool = parts.codecPool;
    this.telemetry = parts.telemetry;
    this.options = options;
    this.metrics = parts.metrics;
    this.tier = parts.tier;
    this.degraded = parts.degraded;
    this.limits = {
      backend: driver.name,
      keyPrefixBytes: Buffer.byteLength(options.keyPrefix),
      maxKeyBytes: Math.min(driver.capabilities.maxKeyBytes, MAX_KEY_BYTES + Buffer.byteLength(options.keyPrefix)),
      maxValueBytes: options.maxValueBytes,
      defaultTtlMs: options.defaultTtlMs ?? 0,
      expires: driver.capabilities.expiry,
    };
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * For work that does not go through the pipeline.
   * @throws CircuitOpenError
   */
  refuseWhileCircuitIsOpen(operation: string, key?: CanonicalKey): void {
    const place = { operation, backend: this.driver.name, ...(key === undefined ? {} : { key }) };
    if (this.pipeline.circuit === "open") throw this.pipeline.circuitOpen(place);
  }

  /**
   * Has `close` wait for this work.
   * @param onClosing has it come to its end also if its caller does nothing more
   */
  track<T>(work: Promise<T>, onClosing?: () => void): Promise<T> {
    const forget = (): void => {
      this.#jobs.delete(work);
    };
    this.#jobs.set(work, onClosing);
    work.then(forget, forget);
    return work;
  }

  close(): Promise<void> {
    this.#closing ??= this.#drainAndClose();
    return this.#closing;
  }

  async #drainAndClose(): Promise<void> {
    for (const onClosing of this.#jobs.values()) onClosing?.();
    await this.pipeline.drained();
    await Promise.allSettled(this.#jobs.keys());
    this.pipeline.failQueued();
    this.telemetry.stop();
    await Promise.all([this.driver.close(), this.codecPool.close()]);
  }
}

const MAX_KEY_BYTES = 4096;
