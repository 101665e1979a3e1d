import { Kind, Request } from "../backends/request.js";
import type { CompressionHint } from "../codec/compression-hint.js";
import { InvalidArgumentError, QueueFullError, StateError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { shortLivedList } from "../core/short-lived-list.js";
import type { Key, Value } from "../core/value.js";
import { bytesOf } from "../pipeline/pending-work.js";
import type { CallName } from "../pipeline/settlement-times.js";
import { BatchDeleteResults, BatchGetResults, BatchPutResults } from "./batch-results.js";
import { CALL_OPTIONS, type CallArguments, EXPIRING_OPTIONS, iterable, nameOfType } from "./call-arguments.js";
import type { CallOptions, ExpiryOptions } from "./engine-contract.js";
import type { EngineCore } from "./engine-core.js";
import { keptAnswer } from "./kept-answer.js";

const MAX_BATCH_ENTRIES = 1_000_000;

/** The calls of one view that take many keys: each key is an operation like a single one, the call has one promise. */
export class BatchCalls {
  readonly #core: EngineCore;
  readonly #arguments: CallArguments;
  readonly #hint: CompressionHint;

  /** @param hint what the view has learnt of how its values compress */
  constructor(core: EngineCore, callArguments: CallArguments, hint: CompressionHint) {
    this.#core = core;
    this.#arguments = callArguments;
    this.#hint = hint;
  }

  async get(keys: Iterable<Key>, options?: CallOptions): Promise<(Buffer | null)[]> {
    const startedAtUs = this.#core.pipeline.nowUs();
    const requests: Request[] = shortLivedList();
    const timeoutMs = this.#timeout("batchGet", options, CALL_OPTIONS);
    for (const key of this.#iterable("batchGet", keys)) {
      const canonical = this.#entry("batchGet", requests.length, () => this.#arguments.key("batchGet", key));
      requests.push(this.#member(Kind.get, canonical, undefined, 0, timeoutMs));
    }
    if (requests.length === 0) return [];
    const results = new BatchGetResults(requests.length, this.#timed("batchGet", requests.length, startedAtUs));
    this.#submitAll("batchGet", requests, results, options);
    return results.promise;
  }

  async put(entries: Iterable<readonly [Key, Value]>, options?: CallOptions & ExpiryOptions): Promise<void> {
    const startedAtUs = this.#core.pipeline.nowUs();
    const requests: Request[] = shortLivedList();
    const timeoutMs = this.#timeout("batchPut", options, EXPIRING_OPTIONS);
    const ttlMs = this.#arguments.lifetime("batchPut", undefined, options?.ttlMs);
    for (const entry of this.#iterable("batchPut", entries)) {
      const request = this.#entry("batchPut", requests.length, () => {
        if (!Array.isArray(entry)) {
          const message = `an entry must be [key, value]; got ${nameOfType(entry)}`;
          throw new InvalidArgumentError(message, { operation: "batchPut", reason: "ERR_BATCH_TYPE" });
        }
        const canonical = this.#arguments.key("batchPut", entry[0]);
        const value = this.#arguments.value("batchPut", canonical, entry[1]);
        return this.#member(Kind.put, canonical, value, ttlMs, timeoutMs);
      });
      requests.push(request);
    }
    if (requests.length === 0) return;
    const results = new BatchPutResults(requests.length, this.#timed("batchPut", requests.length, startedAtUs));
    this.#submitAll("batchPut", requests, results, options);
    return results.promise;
  }

  async delete(keys: Iterable<Key>, options?: CallOptions): Promise<number> {
    const startedAtUs = this.#core.pipeline.nowUs();
    const requests: Request[] = shortLivedList();
    const timeoutMs = this.#timeout("batchDelete", options, CALL_OPTIONS);
    for (const key of this.#iterable("batchDelete", keys)) {
      const canonical = this.#entry("batchDelete", requests.length, () => this.#arguments.key("batchDelete", key));
      requests.push(this.#member(Kind.delete, canonical, undefined, 0, timeoutMs));
    }
    if (requests.length === 0) return 0;
    const results = new BatchDeleteResults(requests.length, this.#timed("batchDelete", requests.length, startedAtUs));
    this.#submitAll("batchDelete", requests, results, options);
    return results.promise;
  }

  #member(kind: Kind, key: CanonicalKey, value: Value | undefined, ttlMs: number, timeoutMs: number): Request {
    const request = new Request(kind, key, value, ttlMs, undefined, this.#core.pipeline.nowUs(), timeoutMs);
    request.hint = this.#hint;
    return request;
  }

  #submitAll(
    operation: "batchGet" | "batchPut" | "batchDelete",
    requests: readonly Request[],
    results: BatchGetResults | BatchPutResults | BatchDeleteResults,
    options: CallOptions | undefined,
  ): void {
    const { pipeline, options: engine, driver, tier } = this.#core;
    const signal = this.#arguments.signal(operation, undefined, options?.signal);
    if (engine.queue.overflow === "reject" && !pipeline.pendingWork.hasRoomFor(requests.length, bytesOfAll(requests))) {
      const { maxPending, maxBytes } = engine.queue;
      const message = `${requests.length} more operations would exceed queue.maxPending (${maxPending}) or queue.maxBytes (${maxBytes})`;
      // More operations than the queue holds when it is empty will never be taken.
      const retryable = requests.length <= maxPending;
      const error = new QueueFullError(message, {
        ...{ operation, backend: driver.name, reason: "ERR_QUEUE_FULL", retryable },
      });
      this.#refuse(requests, results, error);
      throw error;
    }
    let kept: Buffer | boolean | null | undefined;
    let keptIndex = 0;
    for (const [index, request] of requests.entries()) {
      request.collector = results;
      request.collectorIndex = index;
      if (tier !== undefined && request.kind === Kind.get) {
        const cached = keptAnswer(this.#core, Kind.get, request.key);
        if (cached !== undefined) {
          if (kept !== undefined) results.settle(keptIndex, kept);
          kept = cached;
          keptIndex = index;
          continue;
        }
      }
      if (signal !== undefined) request.signal = signal;
      pipeline.submit(request);
    }
    if (kept === undefined) return;
    // The last of them lets the whole call wait for its turn.
    if (tier!.isTurnUsedUp) tier!.inNextTurn(() => results.settle(keptIndex, kept));
    else results.settle(keptIndex, kept);
  }

  /** Counts and tells what would have been, had each key been sent and failed. */
  #refuse(
    requests: readonly Request[],
    results: BatchGetResults | BatchPutResults | BatchDeleteResults,
    error: QueueFullError,
  ): void {
    const { pipeline, telemetry } = this.#core;
    pipeline.counters.failedWith(requests[0]!.kind, requests.length, error.code);
    for (const request of requests) {
      request.collector = results;
      telemetry.failed(request, error, (pipeline.nowUs() - request.startedAtUs) | 0, undefined);
    }
    results.refuse(error);
  }

  #timed(call: CallName, keys: number, startedAtUs: number): (error: Error | undefined) => void {
    const { pipeline, telemetry } = this.#core;
    return (error) => telemetry.callEnded(call, keys, (pipeline.nowUs() - startedAtUs) | 0, error);
  }

  #timeout(operation: string, options: CallOptions | undefined, known: readonly string[]): number {
    const { operationMs } = this.#core.options.timeouts;
    if (options === undefined) return operationMs;
    this.#arguments.options(operation, undefined, options, known);
    return this.#arguments.timeout(operation, undefined, options.timeoutMs, operationMs);
  }

  #iterable<T>(operation: string, given: Iterable<T>): Iterable<T> {
    if (this.#core.isClosed) throw this.#arguments.closed(operation);
    return iterable(operation, given, this.#core.driver.name);
  }

  /** Runs the checks of one entry of a multi-key call; nothing has been sent when one is refused. */
  #entry<T>(operation: string, index: number, check: () => T): T {
    if (index >= MAX_BATCH_ENTRIES) {
      throw new InvalidArgumentError(`more than ${MAX_BATCH_ENTRIES} entries in one call`, {
        operation,
        backend: this.#core.driver.name,
        reason: "ERR_BATCH_TOO_LARGE",
      });
    }
    try {
      return check();
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      throw new InvalidArgumentError(`entry ${index} was refused, nothing was sent: ${error.summary}`, {
        operation,
        ...(error.key === undefined ? {} : { key: error.key }),
        backend: this.#core.driver.name,
        reason: "ERR_BATCH_ENTRY",
        cause: error,
      });
    }
  }
}

function bytesOfAll(requests: readonly Request[]): number {
  let bytes = 0;
  for (const request of requests) bytes += bytesOf(request);
  return bytes;
}
