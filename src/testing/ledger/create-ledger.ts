import { StateError } from "../../core/errors.js";
import type { Key, Value } from "../../core/value.js";
import type { CallOptions, Engine, ExpiryOptions, Mutation, PutOptions } from "../../engine/engine-contract.js";
import type { Entry, KeyOperation, LedgerCall, LedgerOperation } from "./entry.js";
import { StallMeter } from "./stall-meter.js";
import type { LedgerReport } from "./tally.js";
import { contentOf, type ReadBack, verifyHistories } from "./verify-histories.js";

/** The operations a ledger can check. */
export type LedgerEngine = Pick<Engine, LedgerOperation>;

export interface LedgerOptions {
  /** The engine's `timeouts.operationMs`: the deadline of calls that give none. Default: 3000. */
  readonly operationMs?: number;
  /** How much later than its deadline a call may settle, beside stalls of the event loop. Default: 100. */
  readonly budgetMs?: number;
  /** Sees every call when it has settled. */
  readonly onSettled?: (call: LedgerCall) => void;
}

/**
 * The engine's own operations, each written down, and the verdict on all of them. Keys are text. Nothing else may
 * write them meanwhile; the values put under one key should all differ, else an old one cannot be told from a new one.
 * The engine must have no `defaultTtlMs`: values put without a lifetime are expected to stay.
 */
export interface Ledger extends LedgerEngine {
  readonly calls: number;
  /** Calls that have not settled. */
  readonly pending: number;
  /**
   * Checks every key. Call it when all calls have settled, or should have, and nothing sent is still on its way.
   */
  verify(readBack: ReadBack): Promise<LedgerReport>;
  /** Ends the ledger's timer. Idempotent. */
  stop(): void;
}

/** Between the store's clock and ours, its rounding to milliseconds included, on one machine. */
const CLOCK_SLACK_MS = 25;

/** Puts a ledger in front of an engine. Keys must be absent from the store when the first call is made. */
export function createLedger(engine: LedgerEngine, options: LedgerOptions = {}): Ledger {
  return new RecordingLedger(engine, options);
}

interface Share {
  readonly value?: Value | null;
  readonly expected?: Value | null;
  readonly ttlMs?: number | null | undefined;
}

class RecordingLedger implements Ledger {
  readonly #engine: LedgerEngine;
  readonly #operationMs: number;
  readonly #budgetMs: number;
  readonly #onSettled: ((call: LedgerCall) => void) | undefined;
  readonly #stalls = new StallMeter();
  readonly #histories = new Map<string, Entry[]>();
  /** Lifetimes are counted by the wall clock of the store; if ours is set meanwhile, that much is uncertain. */
  readonly #wallMinusMonotonicMs = Date.now() - performance.now();
  calls = 0;
  pending = 0;

  constructor(engine: LedgerEngine, options: LedgerOptions) {
    this.#engine = engine;
    this.#operationMs = options.operationMs ?? 3000;
    this.#budgetMs = options.budgetMs ?? 100;
    this.#onSettled = options.onSettled;
  }

  get(key: Key, options?: CallOptions): Promise<Buffer | null> {
    return this.#single("get", key, {}, options, () => this.#engine.get(key, options));
  }

  contains(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#single("contains", key, {}, options, () => this.#engine.contains(key, options));
  }

  ttl(key: Key, options?: CallOptions): Promise<number | null> {
    return this.#single("ttl", key, {}, options, () => this.#engine.ttl(key, options));
  }

  put(key: Key, value: Value, options?: PutOptions): Promise<void> {
    const share = { value, ttlMs: options?.ttlMs };
    return this.#single("put", key, share, options, () => this.#engine.put(key, value, options));
  }

  delete(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#single("delete", key, {}, options, () => this.#engine.delete(key, options));
  }

  expire(key: Key, ttlMs: number | null, options?: CallOptions): Promise<boolean> {
    return this.#single("expire", key, { ttlMs }, options, () => this.#engine.expire(key, ttlMs, options));
  }

  setIfNotExists(key: Key, value: Value, options?: CallOptions & ExpiryOptions): Promise<boolean> {
    const share = { value, ttlMs: options?.ttlMs };
    return this.#single("setIfNotExists", key, share, options, () => this.#engine.setIfNotExists(key, value, options));
  }

  getAndDelete(key: Key, options?: CallOptions): Promise<Buffer | null> {
    return this.#single("getAndDelete", key, {}, options, () => this.#engine.getAndDelete(key, options));
  }

  compareAndSwap(
    key: Key,
    expected: Value | null,
    next: Value | null,
    options?: CallOptions & ExpiryOptions,
  ): Promise<boolean> {
    const share = { value: next, expected, ttlMs: options?.ttlMs };
    const swap = () => this.#engine.compareAndSwap(key, expected, next, options);
    return this.#single("compareAndSwap", key, share, options, swap);
  }

  increment(key: Key, by: number | bigint = 1, options?: CallOptions): Promise<bigint> {
    const share = { value: String(by) };
    return this.#single("increment", key, share, options, () => this.#engine.increment(key, by, options));
  }

  batchGet(keys: Iterable<Key>, options?: CallOptions): Promise<(Buffer | null)[]> {
    const listed = [...keys];
    const call = this.#open("batchGet", options);
    const entries = listed.map((key) => this.#share(call, key, "get", {}));
    return this.#watch(call, this.#engine.batchGet(listed, options), (values) => {
      for (const [index, entry] of entries.entries()) entry.result = contentOf(values[index] ?? null);
    });
  }

  batchPut(given: Iterable<readonly [Key, Value]>, options?: CallOptions & ExpiryOptions): Promise<void> {
    const listed = [...given];
    const call = this.#open("batchPut", options);
    for (const [key, value] of listed) this.#share(call, key, "put", { value, ttlMs: options?.ttlMs });
    return this.#watch(call, this.#engine.batchPut(listed, options), () => {});
  }

  batchDelete(keys: Iterable<Key>, options?: CallOptions): Promise<number> {
    const listed = [...keys];
    const call = this.#open("batchDelete", options);
    for (const key of listed) this.#share(call, key, "delete", {});
    return this.#watch(call, this.#engine.batchDelete(listed, options), (count) => {
      call.count = count;
    });
  }

  transaction(mutations: Iterable<Mutation>, options?: CallOptions): Promise<void> {
    const listed = [...mutations];
    const call = this.#open("transaction", options);
    for (const step of listed) {
      if (step.type === "put") this.#share(call, step.key, "put", { value: step.value, ttlMs: step.ttlMs });
      else this.#share(call, step.key, step.type, step.type === "expire" ? { ttlMs: step.ttlMs } : {});
    }
    return this.#watch(call, this.#engine.transaction(listed, options), () => {});
  }

  /** It has no deadline. Keys that were not called before are not there for it. */
  clear(prefix = ""): Promise<number> {
    const call = this.#open("clear", { timeoutMs: Number.POSITIVE_INFINITY });
    for (const key of this.#histories.keys()) if (key.startsWith(prefix)) this.#share(call, key, "delete", {});
    return this.#watch(call, this.#engine.clear(prefix), (count) => {
      call.count = count;
    });
  }

  verify(readBack: ReadBack): Promise<LedgerReport> {
    const clockStepMs = Math.abs(Date.now() - performance.now() - this.#wallMinusMonotonicMs);
    return verifyHistories(this.#histories, readBack, CLOCK_SLACK_MS + clockStepMs);
  }

  stop(): void {
    this.#stalls.stop();
  }

  #single<T>(
    operation: KeyOperation,
    key: Key,
    share: Share,
    options: CallOptions | undefined,
    engineCall: () => Promise<T>,
  ): Promise<T> {
    const call = this.#open(operation, options);
    const entry = this.#share(call, key, operation, share);
    return this.#watch(call, engineCall(), (result) => {
      entry.result = Buffer.isBuffer(result) ? contentOf(result) : (result as Entry["result"]);
    });
  }

  #open(operation: LedgerOperation, options: CallOptions | undefined): LedgerCall {
    const calledMs = performance.now();
    return {
      operation,
      size: 0,
      calledMs,
      deadlineMs: calledMs + (options?.timeoutMs ?? this.#operationMs),
      settledMs: undefined,
      outcome: "pending",
      failure: undefined,
      count: undefined,
      isLate: false,
    };
  }

  #share(call: LedgerCall, key: Key, operation: KeyOperation, { value, expected, ttlMs }: Share): Entry {
    if (typeof key !== "string") throw new TypeError("a ledger's keys are text");
    const entry: Entry = {
      call,
      position: call.size++,
      operation,
      value: value === undefined ? undefined : contentOf(value),
      expected: expected === undefined ? undefined : contentOf(expected),
      ttlMs: ttlMs ?? null,
      result: undefined,
    };
    const history = this.#histories.get(key);
    if (history === undefined) this.#histories.set(key, [entry]);
    else history.push(entry);
    return entry;
  }

  #watch<T>(call: LedgerCall, answer: Promise<T>, onAnswered: (result: T) => void): Promise<T> {
    this.calls++;
    this.pending++;
    answer.then(
      (result) => {
        call.outcome = "ok";
        onAnswered(result);
        this.#settled(call);
      },
      (error: unknown) => {
        const isKnown = error instanceof StateError;
        // An error that is none of ours says nothing about the outcome.
        call.outcome = isKnown ? error.outcome : "unknown";
        call.failure = isKnown ? `${error.code} ${error.reason ?? ""}`.trim() : String(error);
        this.#settled(call);
      },
    );
    return answer;
  }

  #settled(call: LedgerCall): void {
    const nowMs = performance.now();
    call.settledMs = nowMs;
    this.pending--;
    const lateMs = nowMs - call.deadlineMs - this.#budgetMs;
    call.isLate = lateMs > 0 && lateMs > this.#stalls.stalledMs(call.calledMs, nowMs);
    this.#onSettled?.(call);
  }
}
