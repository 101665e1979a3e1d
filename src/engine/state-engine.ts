import type { Registry } from "prom-client";
import type { Health } from "../backends/contract.js";
import {
  CompareAndSwapDetail,
  Kind,
  OPERATION_NAMES,
  READ_TO_WRITE,
  Request,
  type RequestDetail,
  writtenUnits,
} from "../backends/request.js";
import { CompressionHint } from "../codec/compression-hint.js";
import { InvalidArgumentError, UnsupportedOperationError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import type { Key, Value } from "../core/value.js";
import type { SloReport } from "../observability/slo-report.js";
import type { SlowOperation } from "../observability/slow-log.js";
import { createTable } from "../tables/stored-table.js";
import type { Table, TableCodec, TableFormat, TableOptions, TableView } from "../tables/table-contract.js";
import { BatchCalls } from "./batch-calls.js";
import type { BatchingReport } from "./batching-report.js";
import { CALL_OPTIONS, CallArguments, EXPIRING_OPTIONS, PUT_OPTIONS } from "./call-arguments.js";
import { calledAs } from "./called-as.js";
import type { CallOptions, Engine, EngineStats, ExpiryOptions, Mutation, PutOptions } from "./engine-contract.js";
import type { EngineCore } from "./engine-core.js";
import { engineStatistics } from "./engine-statistics.js";
import { explainBatching } from "./explain-batching.js";
import { keptAnswer } from "./kept-answer.js";
import { KeyScans } from "./key-scans.js";
import { putDetail, RowCalls } from "./row-calls.js";

type Resolve = (result: unknown) => void;
type Reject = (error: Error) => void;

let capturedResolve: Resolve;
let capturedReject: Reject;
/** One executor for all promises: an executor of its own would cost each operation a closure. */
const capture = (resolve: Resolve, reject: Reject): void => {
  capturedResolve = resolve;
  capturedReject = reject;
};

/** One view of an engine: a namespace over the shared core. */
export class StateEngine extends RowCalls implements Engine {
  readonly #core: EngineCore;
  readonly #arguments: CallArguments;
  readonly #batches: BatchCalls;
  readonly #scans: KeyScans;
  readonly #operationMs: number;
  readonly #hint = new CompressionHint();
  readonly #defaultTtlMs: number;

  constructor(core: EngineCore, namespace = "") {
    const callArguments = new CallArguments(core.limits, namespace);
    super(core, callArguments);
    this.#core = core;
    this.#arguments = callArguments;
    this.#batches = new BatchCalls(core, callArguments, this.#hint);
    this.#scans = new KeyScans(core, this.#arguments);
    this.#operationMs = core.options.timeouts.operationMs;
    this.#defaultTtlMs = core.limits.defaultTtlMs;
  }

  get(key: Key, options?: CallOptions): Promise<Buffer | null> {
    try {
      const canonical = this.#arguments.key("get", key);
      const kept = this.#core.tier === undefined ? undefined : this.#fromTier(Kind.get, canonical, options);
      if (kept !== undefined) return kept as Promise<Buffer | null>;
      return this.#send(Kind.get, canonical, undefined, 0, undefined, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  put(key: Key, value: Value, options?: PutOptions): Promise<void> {
    try {
      const canonical = this.#arguments.key("put", key);
      const checked = this.#arguments.value("put", canonical, value);
      let ttlMs = this.#defaultTtlMs;
      let detail: RequestDetail;
      if (options !== undefined) {
        this.#arguments.options("put", canonical, options, PUT_OPTIONS);
        this.#arguments.durability(canonical, options.durability);
        ttlMs = this.#arguments.lifetime("put", canonical, options.ttlMs);
        this.#refuseUnsupported(canonical, options);
        detail = putDetail(canonical, options, this.#core.driver.name);
      }
      return this.#send(Kind.put, canonical, checked, ttlMs, detail, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  delete(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#simple(Kind.delete, key, options);
  }

  contains(key: Key, options?: CallOptions): Promise<boolean> {
    if (this.#core.tier === undefined) return this.#simple(Kind.contains, key, options);
    try {
      const canonical = this.#arguments.key("contains", key);
      const kept = this.#fromTier(Kind.contains, canonical, options) as Promise<boolean> | undefined;
      return kept ?? this.#send(Kind.contains, canonical, undefined, 0, undefined, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  ttl(key: Key, options?: CallOptions): Promise<number | null> {
    return this.#simple(Kind.ttl, key, options);
  }

  getAndDelete(key: Key, options?: CallOptions): Promise<Buffer | null> {
    return this.#simple(Kind.getAndDelete, key, options);
  }

  async expire(key: Key, ttlMs: number | null, options?: CallOptions): Promise<boolean> {
    const canonical = this.#arguments.key("expire", key);
    const lifetime = this.#arguments.newLifetime("expire", canonical, ttlMs);
    return this.#send(Kind.expire, canonical, undefined, lifetime, undefined, options);
  }

  async setIfNotExists(key: Key, value: Value, options?: CallOptions & ExpiryOptions): Promise<boolean> {
    const canonical = this.#arguments.key("setIfNotExists", key);
    const checked = this.#arguments.value("setIfNotExists", canonical, value);
    const ttlMs = this.#arguments.lifetime("setIfNotExists", canonical, options?.ttlMs);
    return this.#send(Kind.setIfNotExists, canonical, checked, ttlMs, undefined, options);
  }

  async compareAndSwap(
    key: Key,
    expected: Value | null,
    next: Value | null,
    options?: CallOptions & ExpiryOptions,
  ): Promise<boolean> {
    const canonical = this.#arguments.key("compareAndSwap", key);
    const checked = (value: Value | null) =>
      value === null ? null : this.#arguments.value("compareAndSwap", canonical, value);
    const detail = new CompareAndSwapDetail(checked(expected), checked(next));
    const ttlMs = this.#arguments.lifetime("compareAndSwap", canonical, options?.ttlMs);
    return this.#send(Kind.compareAndSwap, canonical, detail.next ?? undefined, ttlMs, detail, options);
  }

  async increment(key: Key, by: number | bigint = 1, options?: CallOptions): Promise<bigint> {
    const canonical = this.#arguments.key("increment", key);
    const amount = this.#arguments.increment(canonical, by);
    return this.#send(Kind.increment, canonical, undefined, 0, amount, options);
  }

  async transaction(mutations: Iterable<Mutation>, options?: CallOptions): Promise<void> {
    const steps = this.#arguments.steps(mutations);
    if (!this.#core.driver.capabilities.transactions) {
      throw new UnsupportedOperationError("this store has no transactions", {
        operation: "transaction",
        backend: this.#core.driver.name,
        reason: "ERR_UNSUPPORTED_OPERATION",
      });
    }
    if (steps.length === 0) {
      if (this.#core.isClosed) throw this.#arguments.closed("transaction");
      return;
    }
    return this.#send(Kind.transaction, steps[0]!.key, undefined, 0, steps, options);
  }

  batchGet(keys: Iterable<Key>, options?: CallOptions): Promise<(Buffer | null)[]> {
    return this.#batches.get(keys, options);
  }

  batchPut(entries: Iterable<readonly [Key, Value]>, options?: CallOptions & ExpiryOptions): Promise<void> {
    return this.#batches.put(entries, options);
  }

  batchDelete(keys: Iterable<Key>, options?: CallOptions): Promise<number> {
    return this.#batches.delete(keys, options);
  }

  keys(prefix?: string): AsyncIterable<string> {
    return this.#scans.keys(prefix);
  }

  entries(prefix?: string): AsyncIterable<[string, Buffer]> {
    return this.#scans.entries(prefix);
  }

  listKeys(prefix?: string): Promise<string[]> {
    return this.#core.track(this.#scans.list(prefix));
  }

  count(prefix?: string): Promise<number> {
    return this.#core.track(this.#scans.count(prefix));
  }

  async clear(prefix?: string): Promise<number> {
    const scope = this.#arguments.prefix("clear", prefix);
    if (scope === "" && this.#core.options.keyPrefix === "") {
      const message = "clear() would delete everything in the store: keyPrefix is '' and no prefix was given";
      throw new InvalidArgumentError(message, {
        operation: "clear",
        backend: this.#core.driver.name,
        reason: "ERR_NAMESPACE",
      });
    }
    if (this.#core.isClosed) throw this.#arguments.closed("clear");
    this.#core.refuseWhileCircuitIsOpen("clear");
    this.#core.tier?.dropAll();
    const cleared = this.#core.track(this.#core.pipeline.runAlone(() => this.#core.driver.clear(scope)));
    return cleared.catch((error: unknown) => Promise.reject(calledAs(error, "clear")));
  }

  namespace(prefix: string): Engine {
    return new StateEngine(this.#core, this.#arguments.namespace(prefix));
  }

  table<T>(name: string, codec?: TableFormat | TableCodec<T> | TableOptions<T>): Table<T> {
    const viewOf = (prefix: string): TableView => {
      const view = new StateEngine(this.#core, this.#arguments.namespace(prefix));
      return { store: view, backend: this.#core.driver.name, swapByValue: (...given) => view.#swapByValue(...given) };
    };
    return createTable(name, viewOf, codec);
  }

  async healthCheck(): Promise<Health> {
    if (this.#core.isClosed) throw this.#arguments.closed("healthCheck");
    return this.#core.driver.health();
  }

  async memoryUsage(): Promise<number> {
    if (this.#core.isClosed) throw this.#arguments.closed("memoryUsage");
    this.#core.refuseWhileCircuitIsOpen("memoryUsage");
    return this.#core.driver.memoryUsage().catch((error: unknown) => Promise.reject(calledAs(error, "memoryUsage")));
  }

  async serverInfo(): Promise<Record<string, string>> {
    if (this.#core.isClosed) throw this.#arguments.closed("serverInfo");
    this.#core.refuseWhileCircuitIsOpen("serverInfo");
    return this.#core.driver.serverInfo();
  }

  stats(): EngineStats {
    return engineStatistics(this.#core);
  }

  explain(): BatchingReport {
    return explainBatching(this.#core);
  }

  slo(): SloReport {
    return this.#core.telemetry.sloReport();
  }

  slowOperations(): SlowOperation[] {
    return this.#core.telemetry.slowOperations();
  }

  get metrics(): Registry {
    return this.#core.metrics;
  }

  async flush(): Promise<void> {
    if (this.#core.isClosed) return this.#core.pipeline.drained();
    return this.#core.pipeline.flush();
  }

  close(): Promise<void> {
    return this.#core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #simple<T>(kind: Kind, key: Key, options: CallOptions | undefined): Promise<T> {
    try {
      return this.#send(kind, this.#arguments.key(OPERATION_NAMES[kind], key), undefined, 0, undefined, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #send<T>(
    kind: Kind,
    key: CanonicalKey,
    value: Value | undefined,
    ttlMs: number,
    detail: RequestDetail,
    options: CallOptions | undefined,
  ): Promise<T> {
    const core = this.#core;
    if (core.isClosed) throw this.#arguments.closed(kind, kind === Kind.transaction ? undefined : key);
    let timeoutMs = this.#operationMs;
    let signal: AbortSignal | undefined;
    if (options !== undefined) {
      // A put's were looked at before its lifetime.
      if (kind !== Kind.put) this.#arguments.options(OPERATION_NAMES[kind], key, options, optionsOf(kind));
      timeoutMs = this.#arguments.timeout(OPERATION_NAMES[kind], key, options.timeoutMs, timeoutMs);
      signal = this.#arguments.signal(OPERATION_NAMES[kind], key, options.signal);
    }
    const request = new Request(kind, key, value, ttlMs, detail, core.pipeline.nowUs(), timeoutMs);
    const promise = new Promise<unknown>(capture);
    request.resolve = capturedResolve;
    request.reject = capturedReject;
    if (signal !== undefined) request.signal = signal;
    if (value !== undefined) request.hint = this.#hint;
    else if (detail !== undefined) request.valueUnits = writtenUnits(kind, detail);
    core.pipeline.submit(request);
    return promise as Promise<T>;
  }

  /** The answer to a get or contains that this process has; undefined: the store is to be asked. */
  #fromTier(kind: Kind, key: CanonicalKey, options: CallOptions | undefined): Promise<unknown> | undefined {
    const { tier, pipeline, isClosed } = this.#core;
    if (isClosed) throw this.#arguments.closed(kind, key);
    if (options !== undefined) {
      this.#arguments.options(OPERATION_NAMES[kind], key, options, CALL_OPTIONS);
      this.#arguments.timeout(OPERATION_NAMES[kind], key, options.timeoutMs, this.#operationMs);
      this.#arguments.signal(OPERATION_NAMES[kind], key, options.signal);
    }
    const kept = keptAnswer(this.#core, kind, key);
    if (kept === undefined) return undefined;
    if (tier!.isTurnUsedUp) return this.#inNextTurn(kind, key, kept);
    pipeline.times.recordAtOnce(kind, tier!.lookedAtMs);
    return Promise.resolve(kept);
  }

  #inNextTurn(kind: Kind, key: CanonicalKey, kept: unknown): Promise<unknown> {
    const { tier, pipeline, telemetry } = this.#core;
    const calledAtUs = pipeline.nowUs();
    return new Promise((resolve) => {
      tier!.inNextTurn(() => {
        telemetry.answeredHere(kind, key, (pipeline.nowUs() - calledAtUs) | 0);
        resolve(kept);
      });
    });
  }

  /** See `SwapByValue`. */
  async #swapByValue(
    key: Key,
    expected: Value,
    next: Value | null,
    isSame: (found: Buffer) => boolean,
    options?: CallOptions & ExpiryOptions,
  ): Promise<boolean> {
    const { pipeline } = this.#core;
    const startedAtUs = pipeline.nowUs();
    if (await this.compareAndSwap(key, expected, next, options)) return true;
    const withRest = <O extends CallOptions>(given: O): O => {
      const leftUs = (given.timeoutMs ?? this.#operationMs) * 1000 - ((pipeline.nowUs() - startedAtUs) | 0);
      // What is over is over by the next look at the clock.
      return { ...given, timeoutMs: Math.max(leftUs, 1) / 1000 };
    };
    const { ttlMs, ...callOptions } = options ?? {};
    const canonical = this.#arguments.key("compareAndSwap", key);
    let found: Buffer | null;
    try {
      found = await this.#send(Kind.get, canonical, undefined, 0, READ_TO_WRITE, withRest(callOptions));
    } catch (error) {
      throw calledAs(error, "compareAndSwap");
    }
    if (found === null || !isSame(found)) return false;
    return this.compareAndSwap(key, found, next, withRest(options ?? {}));
  }

  #refuseUnsupported(key: CanonicalKey, options: PutOptions): void {
    const { driver } = this.#core;
    const unsupported =
      (options.metadata !== undefined && !driver.capabilities.metadata && "metadata") ||
      (options.fence !== undefined && "fence") ||
      (options.durability === "replicated" && !driver.capabilities.replicatedDurability && "durability 'replicated'");
    if (!unsupported) return;
    throw new UnsupportedOperationError(`this store does not support ${unsupported}`, {
      operation: "put",
      key,
      backend: driver.name,
      reason: "ERR_UNSUPPORTED_OPTION",
    });
  }
}

function optionsOf(kind: Kind): readonly string[] {
  return kind === Kind.setIfNotExists || kind === Kind.compareAndSwap ? EXPIRING_OPTIONS : CALL_OPTIONS;
}
