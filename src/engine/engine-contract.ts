import type { Registry } from "prom-client";
import type { Health } from "../backends/contract.js";
import type { OperationName } from "../backends/request.js";
import type { Metadata, TableStats } from "../backends/row-store.js";
import type { CallOptions, ExpiryOptions, PutOptions } from "../core/call-options.js";
import type { Key, Value } from "../core/value.js";
import type { OperationLatency } from "../observability/latency-summary.js";
import type { Phase } from "../observability/operation-meters.js";
import type { SloReport } from "../observability/slo-report.js";
import type { SlowOperation } from "../observability/slow-log.js";
import type { Table, TableCodec, TableFormat, TableOptions } from "../tables/table-contract.js";
import type { DegradedReadsStatistics } from "../tier/degraded-reads.js";
import type { ReadTierStatistics } from "../tier/read-tier.js";
import type { CodecPoolStatistics } from "../workers/codec-pool-statistics.js";

export type { CallOptions, ExpiryOptions, PutOptions } from "../core/call-options.js";

export type Mutation =
  | { readonly type: "put"; readonly key: Key; readonly value: Value; readonly ttlMs?: number | null }
  | { readonly type: "delete"; readonly key: Key }
  | { readonly type: "expire"; readonly key: Key; readonly ttlMs: number | null };

export interface FoundValue {
  readonly value: Buffer;
  /** null: it was put without. */
  readonly metadata: Metadata | null;
}

export interface FoundEntry extends FoundValue {
  readonly key: string;
}

export interface FindOptions {
  readonly prefix?: string;
  /** Entries at most; default: all. */
  readonly limit?: number;
}

/** Latencies of the last while. */
export interface LatencyWindow extends OperationLatency {
  /** Milliseconds that it covers: whole seconds (in longer windows 10 or 30), and not more than the engine's life. */
  readonly spanMs: number;
}

/** Latencies since the engine was opened, from the call to the settling. */
export interface MeasuredLatency extends OperationLatency {
  readonly windows: Readonly<Record<"last10s" | "last1m" | "last5m", LatencyWindow>>;
  /**
   * What the time of successful operations is made of, since the engine was opened: waiting to be sent, encoding,
   * network and store, decoding. For multi-key calls one entry per key.
   */
  readonly phases: Readonly<Record<Phase, OperationLatency>>;
}

export interface EngineStats {
  readonly operationsTotal: number;
  readonly operationsSucceeded: number;
  readonly operationsFailed: number;
  readonly hits: number;
  readonly misses: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly bytesBeforeCompression: number;
  readonly bytesAfterCompression: number;
  readonly batches: number;
  readonly averageBatchSize: number;
  readonly retries: number;
  readonly slowOperations: number;
  /** Admitted operations, queued and in flight. */
  readonly pending: number;
  /** Operations beyond `queue.maxPending`, whose callers wait for room. */
  readonly waiting: number;
  /** Operations that shared another's command: same read, superseded write, read behind a pending write. */
  readonly coalesced: number;
  /** Why batches ended: full by count, full by bytes, an operation that had to begin the next one, no more work. */
  readonly cuts: { readonly size: number; readonly bytes: number; readonly hazard: number; readonly turn: number };
  readonly inFlightBatches: number;
  readonly activeConnections: number;
  readonly idleConnections: number;
  readonly circuit: "closed" | "open" | "half-open";
  readonly hitRate: number;
  readonly errorRate: number;
  readonly compressionRatio: number;
  /** Milliseconds by which a timer was late at worst in the last ten seconds. */
  readonly eventLoopLagMs: number;
  /** Milliseconds of compression and decompression on this thread, extrapolated from every 64th call. */
  readonly codecMs: number;
  /** The codec threads: what they did, and what decides whether they are given work. */
  readonly workers: CodecPoolStatistics;
  readonly degraded: DegradedReadsStatistics;
  /** The read-through tier; null: `cache` is off. */
  readonly cache: ReadTierStatistics | null;
  readonly latency: Partial<Record<OperationName | "batchGet" | "batchPut" | "batchDelete", MeasuredLatency>>;
}

/** The public face. Meaning, promises and errors of every member: `docs/guarantees.md`. */
export interface Engine extends AsyncDisposable {
  get(key: Key, options?: CallOptions): Promise<Buffer | null>;
  put(key: Key, value: Value, options?: PutOptions): Promise<void>;
  delete(key: Key, options?: CallOptions): Promise<boolean>;
  contains(key: Key, options?: CallOptions): Promise<boolean>;
  /** Milliseconds left; Infinity: never expires; null: no such key. */
  ttl(key: Key, options?: CallOptions): Promise<number | null>;
  /** Sets the lifetime; null: never expires. Resolves to whether the key exists. */
  expire(key: Key, ttlMs: number | null, options?: CallOptions): Promise<boolean>;

  batchGet(keys: Iterable<Key>, options?: CallOptions): Promise<(Buffer | null)[]>;
  batchPut(entries: Iterable<readonly [Key, Value]>, options?: CallOptions & ExpiryOptions): Promise<void>;
  /** Resolves to how many existed. */
  batchDelete(keys: Iterable<Key>, options?: CallOptions): Promise<number>;
  /** All or nothing. */
  transaction(mutations: Iterable<Mutation>, options?: CallOptions): Promise<void>;

  setIfNotExists(key: Key, value: Value, options?: CallOptions & ExpiryOptions): Promise<boolean>;
  getAndDelete(key: Key, options?: CallOptions): Promise<Buffer | null>;
  compareAndSwap(
    key: Key,
    expected: Value | null,
    next: Value | null,
    options?: CallOptions & ExpiryOptions,
  ): Promise<boolean>;
  /** Adds to a decimal counter (absent: 0) and resolves to the new value; 64-bit signed. */
  increment(key: Key, by?: number | bigint, options?: CallOptions): Promise<bigint>;

  keys(prefix?: string): AsyncIterable<string>;
  entries(prefix?: string): AsyncIterable<[string, Buffer]>;
  listKeys(prefix?: string): Promise<string[]>;
  count(prefix?: string): Promise<number>;
  clear(prefix?: string): Promise<number>;

  /**
   * Value and metadata; null: no such key. Sees every call made before it. Stores that do not offer this, or one of the
   * calls below, refuse it with UnsupportedOperationError; PostgreSQL offers all of them.
   */
  getWithMetadata(key: Key): Promise<FoundValue | null>;
  /** The entries whose metadata contains `containment` (as `@>` of JSONB does), in the order of their keys. */
  findByMetadata(containment: Metadata, options?: FindOptions): AsyncIterable<FoundEntry>;
  /** Removes what has expired now rather than by and by; resolves to how many entries of the table that were. */
  cleanupExpired(): Promise<number>;
  vacuum(): Promise<void>;
  tableStats(): Promise<TableStats>;
  /**
   * Puts many entries in one transaction, by the store's fastest way; of equal keys the last wins. It begins when
   * everything called before has settled; writes of the same keys called meanwhile may come before or after it.
   */
  bulkLoad(
    entries: Iterable<readonly [Key, Value]> | AsyncIterable<readonly [Key, Value]>,
    options?: ExpiryOptions,
  ): Promise<number>;

  /**
   * Copies the whole store, other key prefixes too, into a directory that is new or empty, from which an engine opens
   * it as any other. Everything called before is in it. Offered by LMDB.
   */
  backup(path: string): Promise<void>;

  /** A view whose keys all begin with `prefix`; it shares connections, queue and telemetry. */
  namespace(prefix: string): Engine;
  /**
   * Typed values under `name:` in this view, written as JSON unless told otherwise. The type is the caller's word for
   * what the records hold; `parse` checks it.
   */
  table<T>(name: string, codec?: TableFormat | TableCodec<T> | TableOptions<T>): Table<T>;

  healthCheck(): Promise<Health>;
  memoryUsage(): Promise<number>;
  serverInfo(): Promise<Record<string, string>>;
  stats(): EngineStats;
  /** How the objectives of the option `slo` fare. */
  slo(): SloReport;
  /** The latest and the slowest operations that took `slowLog.thresholdMs` or longer, latest first. */
  slowOperations(): SlowOperation[];
  /** Prometheus metrics, of this engine only; empty with `metrics: false`. */
  readonly metrics: Registry;
  /** Resolves when everything issued so far has settled. */
  flush(): Promise<void>;
  /** Refuses new calls, drains, disconnects. Idempotent. */
  close(): Promise<void>;
}
