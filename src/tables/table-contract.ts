import type { CallOptions, ExpiryOptions, PutOptions } from "../core/call-options.js";
import type { Key, Value } from "../core/value.js";

/**
 * What a custom codec does. The table adds the schema version; checksum, compression and the limit on the size are the
 * engine's, as for every value.
 */
export interface TableCodec<T> {
  /** Whatever it throws becomes a SerializationError; nothing is written then. */
  encode(value: T): Value;
  /**
   * @param bytes the caller's own memory
   * @param version the schema version under which the record was written; the codec brings older ones up to date itself
   */
  decode(bytes: Buffer, version: number): T;
}

export type TableFormat = "json" | "msgpack";

interface TableVersions {
  /** Schema version of what this program writes, 1 to 65535; default 1. */
  readonly version?: number | undefined;
  /**
   * Oldest schema version whose readers understand what this program writes; default `version`, so that older readers
   * refuse it. Set it lower when a version only adds what older readers may ignore.
   */
  readonly readableFrom?: number | undefined;
}

export interface FormattedTableOptions<T> extends TableVersions {
  /** How records are written; records in either format are read. Default "json". */
  readonly codec?: TableFormat | undefined;
  /**
   * From each version to the next, without gaps: `{ 1: (old: UserV1): UserV2 => …, 2: (old: UserV2): User => … }` for
   * version 3; each names the type of what it takes. Applied on read, the record itself is left as it is. The entry 0
   * takes values without a record header, written by other programs.
   */
  readonly migrations?: { readonly [fromVersion: number]: (old: never) => unknown } | undefined;
  /** Checks what was read and gives it its type; what it throws becomes a SerializationError. Default: none. */
  readonly parse?: ((read: unknown) => T) | undefined;
}

export interface CustomTableOptions<T> extends TableVersions {
  readonly codec: TableCodec<T>;
}

export type TableOptions<T> = FormattedTableOptions<T> | CustomTableOptions<T>;

/**
 * Typed values under `name:` in a view of the engine. Calls coalesce, keep their order per key and settle as those of
 * the engine do; all options are passed on. Beyond the engine's errors:
 *
 * SerializationError `ERR_ENCODE` (not written), `ERR_RECORD` (damaged, or not a record of this table),
 * `ERR_RECORD_NEWER`, `ERR_RECORD_OLDER`, `ERR_MIGRATION`, `ERR_NESTING`; each names the table and the key.
 */
export interface Table<T> {
  readonly name: string;
  /** null: no such key. */
  get(key: Key, options?: CallOptions): Promise<T | null>;
  put(key: Key, value: T, options?: PutOptions): Promise<void>;
  delete(key: Key, options?: CallOptions): Promise<boolean>;
  contains(key: Key, options?: CallOptions): Promise<boolean>;
  /** Milliseconds left; Infinity: never expires; null: no such key. */
  ttl(key: Key, options?: CallOptions): Promise<number | null>;
  expire(key: Key, ttlMs: number | null, options?: CallOptions): Promise<boolean>;

  /** Rejects with the error of the first record that cannot be read. */
  batchGet(keys: Iterable<Key>, options?: CallOptions): Promise<(T | null)[]>;
  /** Every value is encoded before anything is sent. */
  batchPut(entries: Iterable<readonly [Key, T]>, options?: CallOptions & ExpiryOptions): Promise<void>;
  batchDelete(keys: Iterable<Key>, options?: CallOptions): Promise<number>;

  setIfNotExists(key: Key, value: T, options?: CallOptions & ExpiryOptions): Promise<boolean>;
  /** A record that cannot be read is gone all the same; the error's outcome is `unknown` then. */
  getAndDelete(key: Key, options?: CallOptions): Promise<T | null>;
  /**
   * Compares by the encoded form, in one operation. If that differs, the record is read and compared by value, so that
   * records of older versions and of another order of properties are found equal; the swap then is a second operation.
   */
  compareAndSwap(key: Key, expected: T | null, next: T | null, options?: CallOptions & ExpiryOptions): Promise<boolean>;

  keys(prefix?: string): AsyncIterable<string>;
  /** Ends with the error of the first record that cannot be read. */
  entries(prefix?: string): AsyncIterable<[string, T]>;
  listKeys(prefix?: string): Promise<string[]>;
  count(prefix?: string): Promise<number>;
  /** Deletes the records of this table, or those that begin with `prefix`; resolves to how many there were. */
  clear(prefix?: string): Promise<number>;
}

/** What a table asks of the view it lies in. */
export interface TableStore {
  get(key: Key, options?: CallOptions): Promise<Buffer | null>;
  put(key: Key, value: Value, options?: PutOptions): Promise<void>;
  delete(key: Key, options?: CallOptions): Promise<boolean>;
  contains(key: Key, options?: CallOptions): Promise<boolean>;
  ttl(key: Key, options?: CallOptions): Promise<number | null>;
  expire(key: Key, ttlMs: number | null, options?: CallOptions): Promise<boolean>;
  batchGet(keys: Iterable<Key>, options?: CallOptions): Promise<(Buffer | null)[]>;
  batchPut(entries: Iterable<readonly [Key, Value]>, options?: CallOptions & ExpiryOptions): Promise<void>;
  batchDelete(keys: Iterable<Key>, options?: CallOptions): Promise<number>;
  setIfNotExists(key: Key, value: Value, options?: CallOptions & ExpiryOptions): Promise<boolean>;
  getAndDelete(key: Key, options?: CallOptions): Promise<Buffer | null>;
  compareAndSwap(
    key: Key,
    expected: Value | null,
    next: Value | null,
    options?: CallOptions & ExpiryOptions,
  ): Promise<boolean>;
  keys(prefix?: string): AsyncIterable<string>;
  entries(prefix?: string): AsyncIterable<[string, Buffer]>;
  listKeys(prefix?: string): Promise<string[]>;
  count(prefix?: string): Promise<number>;
  clear(prefix?: string): Promise<number>;
}

/**
 * As `compareAndSwap`, for values that may be the same with other bytes: if the store does not have `expected`, what it
 * has is read, and swapped if `isSame` says so and it has not changed since. The deadline is one for all of it, and
 * nothing stands in for the store's answer.
 */
export type SwapByValue = (
  key: Key,
  expected: Value,
  next: Value | null,
  isSame: (found: Buffer) => boolean,
  options?: CallOptions & ExpiryOptions,
) => Promise<boolean>;

/** The part of the engine that has the keys of one table, and no others. */
export interface TableView {
  readonly store: TableStore;
  /** The store's name, for errors. */
  readonly backend: string;
  readonly swapByValue: SwapByValue;
}
