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
import type { BatchingReport } from "./batching-report.js";

export type { CallOptions, ExpiryOptions, PutOptions } from "../core/call-options.js";
export type { BatchCutReport, BatchingReport } from "./batching-report.js";

export type Mutation =
  | { readonly type: "put"; readonly key: Key; readonly value: Value; readonly ttlMs?: number | null | undefined }
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
  readonly prefix?: string | undefined;
  /** Entries at most; default: all. */
  readonly limit?: number | undefined;
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

/**
 * Figures since the engine was opened, of all its namespaces together. An operation is a call on one key; of a call on
 * many keys each key is one.
 */
export interface EngineStats {
  /** Operations that have settled. */
  readonly operationsTotal: number;
  readonly operationsSucceeded: number;
  /** A call that is refused for its arguments, or after `close`, is not counted. */
  readonly operationsFailed: number;
  /** Reads by `get` and `batchGet` that found a value, and those that found none. */
  readonly hits: number;
  readonly misses: number;
  /** Values that such reads returned, in bytes. */
  readonly bytesRead: number;
  /** Values that writes carried, before compression: in bytes, of strings in characters. */
  readonly bytesWritten: number;
  /** Of the values that became smaller and are stored compressed; the others count in neither. */
  readonly bytesBeforeCompression: number;
  readonly bytesAfterCompression: number;
  /** Batches handed to the store. */
  readonly batches: number;
  /** Operations per batch, the coalesced ones included; 0: there was no batch. */
  readonly averageBatchSize: number;
  /** Operations that were sent once more. */
  readonly retries: number;
  /** Calls that took `slowLog.thresholdMs` or longer; 0 with `slowLog: false`. */
  readonly slowOperations: number;
  /** Admitted operations, queued and in flight; `queue.maxPending` at most. */
  readonly pending: number;
  /** Keys and values of all operations called and not settled: in bytes, of strings in characters. */
  readonly pendingBytes: number;
  /** Operations beyond `queue.maxPending`, whose callers wait for room. */
  readonly waiting: number;
  /** Operations that shared another's command: same read, superseded write, read behind a pending write. */
  readonly coalesced: number;
  /** Why batches ended: full by count, full by bytes, an operation that had to begin the next one, no more work. */
  readonly cuts: { readonly size: number; readonly bytes: number; readonly hazard: number; readonly turn: number };
  /** Batches handed to the store and not yet answered. */
  readonly inFlightBatches: number;
  /** Connections at work at this moment. On stores without connections both are 0. */
  readonly activeConnections: number;
  /** Connections open without work, that for scans and administration included. */
  readonly idleConnections: number;
  /** "open": calls fail at once; "half-open": one passes as a probe. Always "closed" with `circuitBreaker: false`. */
  readonly circuit: "closed" | "open" | "half-open";
  /** `hits` among hits and misses, 0 to 1; 0: nothing was read. */
  readonly hitRate: number;
  /** `operationsFailed` among `operationsTotal`, 0 to 1; 0: there was none. */
  readonly errorRate: number;
  /** Bytes before compression divided by those after; 1: nothing has been stored compressed. */
  readonly compressionRatio: number;
  /** Milliseconds by which a timer was late at worst in the last ten seconds. */
  readonly eventLoopLagMs: number;
  /** Milliseconds of compression and decompression on this thread, extrapolated from every 64th call. */
  readonly codecMs: number;
  /** The codec threads: what they did, and what decides whether they are given work. */
  readonly workers: CodecPoolStatistics;
  /** Reads that were answered although the store was away (option `degraded`). */
  readonly degraded: DegradedReadsStatistics;
  /** The read-through tier; null: `cache` is off. */
  readonly cache: ReadTierStatistics | null;
  /** By operation; absent: none has settled. A call on many keys is one, under its own name. */
  readonly latency: Partial<Record<OperationName | "batchGet" | "batchPut" | "batchDelete", MeasuredLatency>>;
}

/**
 * The public face. Every call rejects with a StateError: InvalidArgumentError for its arguments, ClosedError after
 * `close`, TimeoutError at its deadline, and what `docs/guarantees.md` lists with the promises that all calls keep.
 * Calls need not be awaited one by one: those under way together share batches.
 */
export interface Engine extends AsyncDisposable {
  /** The value, a Buffer that is the caller's own; null: no such key. CorruptValueError if it is damaged. */
  get(key: Key, options?: CallOptions): Promise<Buffer | null>;
  /**
   * Stores the value over whatever is there, with a new lifetime: `ttlMs`, else `defaultTtlMs`. Resolves when the store
   * has acknowledged it; until then the value must not be changed.
   */
  put(key: Key, value: Value, options?: PutOptions): Promise<void>;
  /** Resolves to whether the key existed. */
  delete(key: Key, options?: CallOptions): Promise<boolean>;
  /** Whether the key exists. */
  contains(key: Key, options?: CallOptions): Promise<boolean>;
  /** Milliseconds left; Infinity: never expires; null: no such key. */
  ttl(key: Key, options?: CallOptions): Promise<number | null>;
  /** Sets the lifetime; null: never expires. Resolves to whether the key exists. */
  expire(key: Key, ttlMs: number | null, options?: CallOptions): Promise<boolean>;

  /** As many answers as keys, in their order; null: no such key. Rejects with the first error of a key. */
  batchGet(keys: Iterable<Key>, options?: CallOptions): Promise<(Buffer | null)[]>;
  /**
   * Puts each entry, all with one lifetime. Not all or nothing: when it fails, some may have been stored, unless its
   * `outcome` is `not-applied`.
   */
  batchPut(entries: Iterable<readonly [Key, Value]>, options?: CallOptions & ExpiryOptions): Promise<void>;
  /** Resolves to how many existed. Not all or nothing, as `batchPut`. */
  batchDelete(keys: Iterable<Key>, options?: CallOptions): Promise<number>;
  /** All mutations in their order, all or nothing; on Redis as far as MULTI goes, which takes nothing back. */
  transaction(mutations: Iterable<Mutation>, options?: CallOptions): Promise<void>;

  /** Stores the value only if there is no such key. Resolves to whether it did. */
  setIfNotExists(key: Key, value: Value, options?: CallOptions & ExpiryOptions): Promise<boolean>;
  /** Removes the key and resolves to the value it had; null: no such key. */
  getAndDelete(key: Key, options?: CallOptions): Promise<Buffer | null>;
  /**
   * Puts `next` if the value is `expected`, byte by byte, and resolves to whether it did. `expected` null: if there is
   * no such key; `next` null: deletes it. What is put has a new lifetime, as with `put`.
   */
  compareAndSwap(
    key: Key,
    expected: Value | null,
    next: Value | null,
    options?: CallOptions & ExpiryOptions,
  ): Promise<boolean>;
  /**
   * Adds to a decimal counter (absent: 0) and resolves to the new value; 64-bit signed. The lifetime stays; a new
   * counter has none. BackendError `ERR_NOT_AN_INTEGER` or `ERR_OVERFLOW`, and nothing is changed.
   */
  increment(key: Key, by?: number | bigint, options?: CallOptions): Promise<bigint>;

  /**
   * The keys that begin with `prefix` (default: all of this view), without the view's own prefix, in any order, a page
   * at a time. No snapshot: what comes or goes meanwhile may be seen or not, and Redis may give a key twice. The scans
   * below are alike.
   */
  keys(prefix?: string): AsyncIterable<string>;
  /** Such keys with their values. */
  entries(prefix?: string): AsyncIterable<[string, Buffer]>;
  /** Such keys at once, each of them once. */
  listKeys(prefix?: string): Promise<string[]>;
  /** How many there are, by going through them. */
  count(prefix?: string): Promise<number>;
  /**
   * Deletes the keys that begin with `prefix` (default: all of this view), in steps, and resolves to how many there
   * were. Nothing called after it is sent before it has ended. InvalidArgumentError `ERR_NAMESPACE` if that would be
   * everything in the store: with `keyPrefix: ""`, no namespace and no prefix.
   */
  clear(prefix?: string): Promise<number>;

  /**
   * Value and metadata; null: no such key. Sees every call made before it. Stores that do not offer this, or one of the
   * calls below, refuse it with UnsupportedOperationError; PostgreSQL offers all of them but `backup`.
   */
  getWithMetadata(key: Key): Promise<FoundValue | null>;
  /** The entries whose metadata contains `containment` (as `@>` of JSONB does), in the order of their keys. */
  findByMetadata(containment: Metadata, options?: FindOptions): AsyncIterable<FoundEntry>;
  /** Removes what has expired now rather than by and by; resolves to how many entries of the table that were. */
  cleanupExpired(): Promise<number>;
  /** Has the server free what deleted and replaced rows take (`VACUUM ANALYZE`), without a deadline. */
  vacuum(): Promise<void>;
  /** Rows and bytes of the table, other key prefixes included. */
  tableStats(): Promise<TableStats>;
  /**
   * Puts many entries in one transaction, by the store's fastest way; of equal keys the last wins. Resolves to how many
   * entries it stored. It begins when everything called before has settled; writes of the same keys called meanwhile
   * may come before or after it.
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

  /**
   * A view whose keys all begin with `prefix`; it shares connections, queue and telemetry, and closing it closes the
   * engine.
   */
  namespace(prefix: string): Engine;
  /**
   * Typed values under `name:` in this view, written as JSON unless told otherwise. The type is the caller's word for
   * what the records hold; `parse` checks it.
   */
  table<T>(name: string, codec?: TableFormat | TableCodec<T> | TableOptions<T>): Table<T>;

  /**
   * Asks the store whether it answers. A store that is away gives `{ healthy: false }` with the reason in `detail`, no
   * rejection; after `close` it rejects with ClosedError.
   */
  healthCheck(): Promise<Health>;
  /**
   * Bytes that the store takes, not this view alone: on Redis the whole server's memory, on PostgreSQL the table of
   * entries with its indexes on the disk, on LMDB the file; in memory the entries.
   */
  memoryUsage(): Promise<number>;
  /** What the store says of itself, by names that differ from store to store: the lines of `INFO` on Redis. */
  serverInfo(): Promise<Record<string, string>>;
  /** Figures of this engine, without asking the store; also after `close`. */
  stats(): EngineStats;
  /**
   * How operations were gathered into batches, why these ended, and how many operations shared a command: in figures and in
   * words. Without asking the store; also after `close`.
   */
  explain(): BatchingReport;
  /** How the objectives of the option `slo` fare; without any the list is empty. */
  slo(): SloReport;
  /**
   * The latest and the slowest operations that took `slowLog.thresholdMs` or longer, latest first; none with
   * `slowLog: false`.
   */
  slowOperations(): SlowOperation[];
  /** Prometheus metrics, of this engine only; empty with `metrics: false`. */
  readonly metrics: Registry;
  /** Resolves when everything issued so far has settled, well or not; it rejects for none of it. */
  flush(): Promise<void>;
  /**
   * Refuses new calls with ClosedError, waits for those under way, disconnects. May be called again: it resolves when
   * the first call does. Until then an engine on Redis or PostgreSQL keeps the process alive.
   */
  close(): Promise<void>;
}
