import { StateError } from "../../core/errors.js";
import type { Key, Value } from "../../core/value.js";
import type { CallOptions, Engine, ExpiryOptions, PutOptions } from "../../engine/engine-contract.js";
import type { Content, Entry, LedgerOperation, Violation, ViolationKind } from "./entry.js";
import { VIOLATION_KINDS } from "./entry.js";
import { KeyModel, shown } from "./key-model.js";
import { StallMeter } from "./stall-meter.js";

/** The operations a ledger can check. */
export type LedgerEngine = Pick<Engine, LedgerOperation>;

export interface LedgerOptions {
  /** The engine's `timeouts.operationMs`: the deadline of calls that give none. Default: 3000. */
  readonly operationMs?: number;
  /** How much later than its deadline a call may settle, beside stalls of the event loop. Default: 100. */
  readonly budgetMs?: number;
  /** Sees every call when it has settled. */
  readonly onSettled?: (entry: Entry) => void;
}

/** The values under these keys, past the engine, in the order of the keys; null: no such key. */
export type ReadBack = (keys: readonly string[]) => Promise<readonly (Uint8Array | null)[]>;

export interface LedgerReport {
  readonly calls: number;
  readonly acknowledged: number;
  readonly notApplied: number;
  readonly unknown: number;
  readonly violations: Readonly<Record<ViolationKind, number>>;
  /** The first of each kind, for people. */
  readonly examples: readonly Violation[];
  /** How often calls failed with which code and reason. */
  readonly failures: Readonly<Record<string, number>>;
}

/**
 * The engine's own operations, each written down, and the verdict on all of them. Keys are text. Nothing else may
 * write them meanwhile; the values put under one key should all differ, else an old one cannot be told from a new one.
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

const READ_BACK_KEYS = 1000;
const EXAMPLES_PER_KIND = 3;
const HISTORY_SHOWN = 12;

/** Puts a ledger in front of an engine. Keys must be absent from the store when the first call is made. */
export function createLedger(engine: LedgerEngine, options: LedgerOptions = {}): Ledger {
  return new RecordingLedger(engine, options);
}

class RecordingLedger implements Ledger {
  readonly #engine: LedgerEngine;
  readonly #operationMs: number;
  readonly #budgetMs: number;
  readonly #onSettled: ((entry: Entry) => void) | undefined;
  readonly #stalls = new StallMeter();
  readonly #histories = new Map<string, Entry[]>();
  calls = 0;
  pending = 0;

  constructor(engine: LedgerEngine, options: LedgerOptions) {
    this.#engine = engine;
    this.#operationMs = options.operationMs ?? 3000;
    this.#budgetMs = options.budgetMs ?? 100;
    this.#onSettled = options.onSettled;
  }

  get(key: Key, options?: CallOptions): Promise<Buffer | null> {
    return this.#record(key, "get", undefined, undefined, options, () => this.#engine.get(key, options));
  }

  contains(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#record(key, "contains", undefined, undefined, options, () => this.#engine.contains(key, options));
  }

  put(key: Key, value: Value, options?: PutOptions): Promise<void> {
    return this.#record(key, "put", value, undefined, options, () => this.#engine.put(key, value, options));
  }

  delete(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#record(key, "delete", undefined, undefined, options, () => this.#engine.delete(key, options));
  }

  setIfNotExists(key: Key, value: Value, options?: CallOptions & ExpiryOptions): Promise<boolean> {
    const call = () => this.#engine.setIfNotExists(key, value, options);
    return this.#record(key, "setIfNotExists", value, undefined, options, call);
  }

  getAndDelete(key: Key, options?: CallOptions): Promise<Buffer | null> {
    const call = () => this.#engine.getAndDelete(key, options);
    return this.#record(key, "getAndDelete", undefined, undefined, options, call);
  }

  compareAndSwap(
    key: Key,
    expected: Value | null,
    next: Value | null,
    options?: CallOptions & ExpiryOptions,
  ): Promise<boolean> {
    const call = () => this.#engine.compareAndSwap(key, expected, next, options);
    return this.#record(key, "compareAndSwap", next, expected, options, call);
  }

  increment(key: Key, by: number | bigint = 1, options?: CallOptions): Promise<bigint> {
    const call = () => this.#engine.increment(key, by, options);
    return this.#record(key, "increment", String(by), undefined, options, call);
  }

  async verify(readBack: ReadBack): Promise<LedgerReport> {
    const tally = new Tally();
    const names = [...this.#histories.keys()];
    for (let at = 0; at < names.length; at += READ_BACK_KEYS) {
      const page = names.slice(at, at + READ_BACK_KEYS);
      const stored = await readBack(page);
      for (const [index, key] of page.entries()) this.#judge(key, contentOf(stored[index] ?? null), tally);
    }
    return tally.report();
  }

  stop(): void {
    this.#stalls.stop();
  }

  #judge(key: string, stored: Content, tally: Tally): void {
    const entries = this.#histories.get(key)!;
    for (const [index, entry] of entries.entries()) {
      tally.count(entry);
      if (entry.settledMs === undefined) {
        tally.violation(entries, { kind: "unsettled", key, call: index, detail: `${entry.operation} is pending` });
        continue;
      }
      const lateMs = entry.settledMs - entry.deadlineMs;
      if (entry.isLate) {
        const detail = `${entry.operation} settled ${Math.round(lateMs)} ms after its deadline`;
        tally.violation(entries, { kind: "late", key, call: index, detail });
      }
    }
    const model = new KeyModel(entries, null);
    model.settleWith(stored);
    for (const found of model.found) tally.violation(entries, { ...found, key });
  }

  #record<T>(
    key: Key,
    operation: LedgerOperation,
    value: Value | null | undefined,
    expected: Value | null | undefined,
    options: CallOptions | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    if (typeof key !== "string") throw new TypeError("a ledger's keys are text");
    const calledMs = performance.now();
    const entry: Entry = {
      operation,
      value: value === undefined ? undefined : contentOf(value),
      expected: expected === undefined ? undefined : contentOf(expected),
      calledMs,
      deadlineMs: calledMs + (options?.timeoutMs ?? this.#operationMs),
      settledMs: undefined,
      outcome: "pending",
      result: undefined,
      failure: undefined,
      isLate: false,
    };
    const history = this.#histories.get(key);
    if (history === undefined) this.#histories.set(key, [entry]);
    else history.push(entry);
    this.calls++;
    this.pending++;
    const answer = call();
    answer.then(
      (result) => {
        entry.outcome = "ok";
        entry.result = Buffer.isBuffer(result) ? contentOf(result) : (result as Entry["result"]);
        this.#settled(entry);
      },
      (error: unknown) => {
        const known = error instanceof StateError;
        // An error that is none of ours says nothing about the outcome.
        entry.outcome = known ? error.outcome : "unknown";
        entry.failure = known ? `${error.code} ${error.reason ?? ""}`.trim() : String(error);
        this.#settled(entry);
      },
    );
    return answer;
  }

  #settled(entry: Entry): void {
    const nowMs = performance.now();
    entry.settledMs = nowMs;
    this.pending--;
    const lateMs = nowMs - entry.deadlineMs - this.#budgetMs;
    entry.isLate = lateMs > 0 && lateMs > this.#stalls.stalledMs(entry.calledMs, nowMs);
    this.#onSettled?.(entry);
  }
}

/** Counts calls and violations, and keeps the first few of each kind. */
class Tally {
  readonly #violations = Object.fromEntries(VIOLATION_KINDS.map((kind) => [kind, 0])) as Record<ViolationKind, number>;
  readonly #failures: Record<string, number> = {};
  readonly #examples: Violation[] = [];
  #calls = 0;
  #acknowledged = 0;
  #notApplied = 0;

  count(entry: Entry): void {
    this.#calls++;
    if (entry.outcome === "ok") this.#acknowledged++;
    if (entry.outcome === "not-applied") this.#notApplied++;
    if (entry.failure !== undefined) this.#failures[entry.failure] = (this.#failures[entry.failure] ?? 0) + 1;
  }

  violation(entries: readonly Entry[], violation: Omit<Violation, "history">): void {
    const seen = ++this.#violations[violation.kind];
    if (seen > EXAMPLES_PER_KIND) return;
    const until = Math.min(entries.length, violation.call + 1);
    const history = entries.slice(Math.max(0, until - HISTORY_SHOWN), until).map(described);
    this.#examples.push({ ...violation, history });
  }

  report(): LedgerReport {
    return {
      calls: this.#calls,
      acknowledged: this.#acknowledged,
      notApplied: this.#notApplied,
      unknown: this.#calls - this.#acknowledged - this.#notApplied,
      violations: this.#violations,
      examples: this.#examples,
      failures: this.#failures,
    };
  }
}

function contentOf(value: Value | null): Content {
  if (value === null) return null;
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function described(entry: Entry): string {
  const given = [entry.expected, entry.value].filter((part) => part !== undefined).map(shown);
  const took = entry.settledMs === undefined ? "" : ` ${Math.round(entry.settledMs - entry.calledMs)} ms`;
  const came = entry.outcome === "ok" ? shown(entry.result) : `${entry.outcome} ${entry.failure ?? ""}`.trim();
  return `@${entry.calledMs.toFixed(1)} ${entry.operation}(${given.join(", ")}): ${came}${took}`;
}
