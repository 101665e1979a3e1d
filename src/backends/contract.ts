import type { ValueCodec } from "../codec/value-codec.js";
import type { StateError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import type { Batch, BatchChoice } from "./batch.js";
import type { Request } from "./request.js";
import type { BulkLoading, MetadataAccess, TableMaintenance } from "./row-store.js";

export interface Capabilities {
  /** Batches the driver wants at once at most; it must keep their order itself. */
  readonly maxInFlight: number;
  /**
   * So many requests are worth sending at once while fewer than two batches are in flight, because the store works
   * beside this thread and would run dry. Callers of a batch with more than a fifth of what is pending then have their
   * answers in parts, so that what they call next makes several batches. Absent: batches form until the turn of the event loop ends.
   */
  readonly eagerBatchSize?: number;
  /**
   * So many operations make a batch worth its price: while fewer than two such wait, a batch is not larger, because that
   * would keep those waiting who work beside each other. The user's `batching.maxSize` is the limit all the same. Absent:
   * that alone counts.
   */
  readonly batchSize?: number;
  /**
   * So many batches are wanted at once; more only if they are at least a quarter full, or when these have taken 20 ms. For
   * stores to which a batch costs much beside its operations. Absent: as many as `maxInFlight`.
   */
  readonly smallBatches?: number;
  /**
   * So many batches that write are wanted at once: while they are under way, and for 20 ms at most, a few further writes wait, and
   * reads of other keys leave without them. For stores that sync a disk for each. Absent: as many as of any kind.
   */
  readonly writingBatches?: number;
  /**
   * True: batches that wait in the driver share what it does next, so the more the better: only its own `maxInFlight`
   * bounds them, not the user's `batching.maxInFlight`.
   */
  readonly gathersBatches?: boolean;
  /** Longest stored key (prefix included) in bytes. */
  readonly maxKeyBytes: number;
  /** True: `ttl`, `expire` and puts with `ttlMs` work. */
  readonly expiry: boolean;
  /** True: `transaction` is all or nothing. */
  readonly transactions: boolean;
  /** True: entries carry metadata; `Driver.metadata` is there. */
  readonly metadata: boolean;
  /** True: a write can wait for replicas. */
  readonly replicatedDurability: boolean;
  /** True: a scan gives no key twice, whatever happens meanwhile. */
  readonly scansOnce?: boolean;
}

export interface Health {
  readonly healthy: boolean;
  readonly backend: string;
  /** Round trip of a probe, in ms. */
  readonly latencyMs: number;
  readonly detail: string;
}

export interface ConnectionCounts {
  /** At work at this moment. */
  readonly active: number;
  /** Open without work. */
  readonly idle: number;
  /** How many there may be for data. Absent: `pool.max`. */
  readonly limit?: number;
}

export interface Logger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** What the engine gives a driver when it opens. */
export interface DriverContext {
  /** Stands before every key in the store. UTF-8 text. */
  readonly keyPrefix: string;
  readonly codec: ValueCodec;
  readonly connectTimeoutMs: number;
  /** Milliseconds without any answer after which a driver must regard its peer as gone. */
  readonly operationTimeoutMs: number;
  readonly maxValueBytes: number;
  readonly logger: Logger;
  /** To be called when `isWritable` turned true again. */
  readonly onWritable: () => void;
  /**
   * To be called when a connection has been made that replaces none that was lost, the first for instance, and the store
   * has answered on it.
   */
  readonly onConnected: () => void;
  /** To be called, instead, when a connection that was lost has been made again and the store has answered on it. */
  readonly onReconnected: () => void;
}

/**
 * What a driver tells of changes that others make, so that values read before may be kept in this process. The driver
 * has a *link* over which it hears of them; what it reports is in the canonical form of keys.
 */
export interface ChangeListener {
  /**
   * Of every key that a get with a `mark` (in `Batch.reads`) reads from now on, found or not, the next change by anybody
   * else will be reported: after the read was answered, or before it. Changes made through this driver need not be.
   */
  linkUp(): void;
  /** Changes may go unseen from now on, and may have since the last that was reported. */
  linkLost(): void;
  /** The store will not tell: there never will be a link. */
  linkRefused(cause: string): void;
  changed(key: CanonicalKey): void;
  everythingChanged(): void;
}

/** One page of a scan: keys without the engine's prefix; `values` aligned with them when they were asked for. */
export interface ScanPage {
  readonly keys: readonly CanonicalKey[];
  readonly values?: readonly Buffer[];
}

/**
 * A store. The pipeline hands it batches in program order and the driver must make it look as if they ran in that
 * order, each group after the other (see `Batch`). All errors it gives to `batch.fail` are StateErrors with an
 * honest outcome: `not-applied` only if the store certainly did not execute the request.
 */
export interface Driver {
  /** Short name for errors, statistics and metrics: "redis", "lmdb", "memory". */
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * Resolves when the store answered; must settle within `connectTimeoutMs`.
   * @throws ConnectionError that names host and port and never a password
   */
  open(context: DriverContext): Promise<void>;
  /**
   * False while a batch could only wait inside the driver (no connection, a peer that does not read): requests then
   * stay in the pipeline's queue, where a deadline or an abort can still stop them. Absent: always writable.
   */
  isWritable?(): boolean;
  /**
   * Why there is no connection to the store, while that is so: the cause of what waits for one in vain. Undefined while
   * there is one, or none because none was needed, or it is not known. Absent: the store cannot be away.
   */
  outage?(): StateError | undefined;
  /**
   * Asked before a batch is planned, with the request that waits in front. Requests that do not suit stay in front of those
   * behind them, until a batch that they suit. Transactions are not asked about, and nothing is while a flush waits: what
   * comes does not always suit. Asked again when a batch has ended: with none under way everything must suit.
   * Undefined, or absent: everything does.
   */
  nextBatch?(first: Request): BatchChoice | undefined;
  /**
   * Has the driver tell of changes made by others, from `open` on. Called before `open` or not at all. Absent: it
   * cannot, and what is kept in this process is as old as its time allows.
   */
  watchChanges?(listener: ChangeListener): void;
  /**
   * Settles every request of the batch exactly once and then completes it; never throws, may do so synchronously. After
   * `close` every request fails as CLOSED, `not-applied`.
   */
  execute(batch: Batch): void;
  /**
   * A request of this batch, in flight, was given up by its caller. The driver must make sure that bytes it has not
   * handed to the operating system are never sent later. Absent: nothing to do.
   */
  abandon?(batch: Batch): void;
  /**
   * Pages of the live keys that begin with `prefix` (canonical, never binary), in any order, memory bounded by the
   * page. Expired entries are left out. A key may appear twice only if the store resized meanwhile.
   */
  scan(prefix: string, withValues: boolean): AsyncIterable<ScanPage>;
  /** Deletes all keys that begin with `prefix` below the engine's key prefix; resolves to how many there were. */
  clear(prefix: string): Promise<number>;
  /** @throws ClosedError after `close` */
  health(): Promise<Health>;
  /** Present where entries carry metadata. */
  readonly metadata?: MetadataAccess;
  /** Present where entries are rows of tables that want looking after. */
  readonly maintenance?: TableMaintenance;
  /** Present where the store has a faster way for very many puts. */
  readonly bulk?: BulkLoading;
  /** Present where the store can be copied whole into a directory while it works. */
  backup?(path: string): Promise<void>;
  memoryUsage(): Promise<number>;
  serverInfo(): Promise<Record<string, string>>;
  connections(): ConnectionCounts;
  /**
   * Frees everything. The pipeline has drained before; whatever is still in flight is failed by the driver. May be called
   * again, to no effect.
   */
  close(): Promise<void>;
}
