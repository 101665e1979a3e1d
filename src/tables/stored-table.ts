import { isDeepStrictEqual } from "node:util";
import type { CallOptions, ExpiryOptions, PutOptions } from "../core/call-options.js";
import { SerializationError } from "../core/errors.js";
import type { Key, Value } from "../core/value.js";
import { RecordCodec } from "./record-codec.js";
import type { Table, TableCodec, TableFormat, TableOptions, TableStore } from "./table-contract.js";
import { checkTableName, parseTableOptions } from "./table-options.js";

class StoredTable<T> implements Table<T> {
  readonly name: string;
  readonly #store: TableStore;
  readonly #codec: RecordCodec<T>;

  constructor(name: string, store: TableStore, codec: RecordCodec<T>) {
    this.name = name;
    this.#store = store;
    this.#codec = codec;
  }

  async get(key: Key, options?: CallOptions): Promise<T | null> {
    const record = await this.#store.get(key, options);
    return record === null ? null : this.#codec.decode("get", key, record);
  }

  put(key: Key, value: T, options?: PutOptions): Promise<void> {
    try {
      return this.#store.put(key, this.#codec.encode("put", key, value), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  delete(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#store.delete(key, options);
  }

  contains(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#store.contains(key, options);
  }

  ttl(key: Key, options?: CallOptions): Promise<number | null> {
    return this.#store.ttl(key, options);
  }

  expire(key: Key, ttlMs: number | null, options?: CallOptions): Promise<boolean> {
    return this.#store.expire(key, ttlMs, options);
  }

  async batchGet(keys: Iterable<Key>, options?: CallOptions): Promise<(T | null)[]> {
    const asked = isIterable(keys) ? [...keys] : keys;
    const records = await this.#store.batchGet(asked, options);
    return records.map((record, index) =>
      record === null ? null : this.#codec.decode("batchGet", (asked as Key[])[index]!, record),
    );
  }

  async batchPut(entries: Iterable<readonly [Key, T]>, options?: CallOptions & ExpiryOptions): Promise<void> {
    // What is no iterable of pairs is the engine's to refuse, in its words.
    const encoded: unknown = isIterable(entries) ? Array.from(entries, (entry) => this.#encodedEntry(entry)) : entries;
    return this.#store.batchPut(encoded as Iterable<readonly [Key, Value]>, options);
  }

  batchDelete(keys: Iterable<Key>, options?: CallOptions): Promise<number> {
    return this.#store.batchDelete(keys, options);
  }

  async setIfNotExists(key: Key, value: T, options?: CallOptions & ExpiryOptions): Promise<boolean> {
    return this.#store.setIfNotExists(key, this.#codec.encode("setIfNotExists", key, value), options);
  }

  async getAndDelete(key: Key, options?: CallOptions): Promise<T | null> {
    const record = await this.#store.getAndDelete(key, options);
    if (record === null) return null;
    try {
      return this.#codec.decode("getAndDelete", key, record);
    } catch (error) {
      if (!(error instanceof SerializationError)) throw error;
      throw error.concerning({ outcome: "unknown", operation: "getAndDelete", ...keyOf(error) });
    }
  }

  async compareAndSwap(
    key: Key,
    expected: T | null,
    next: T | null,
    options?: CallOptions & ExpiryOptions,
  ): Promise<boolean> {
    const encode = (value: T | null): Value | null =>
      value === null ? null : this.#codec.encode("compareAndSwap", key, value);
    const [from, to] = [encode(expected), encode(next)];
    if (await this.#store.compareAndSwap(key, from, to, options)) return true;
    if (expected === null || from === null) return false;
    const record = await this.#store.get(key, options);
    if (record === null || record.equals(bytesOf(from))) return false;
    // Compared as both would be read: an expected Date is the text that JSON makes of it.
    const wanted = this.#codec.decode("compareAndSwap", key, bytesOf(from));
    if (!isDeepStrictEqual(this.#codec.decode("compareAndSwap", key, record), wanted)) return false;
    return this.#store.compareAndSwap(key, record, to, options);
  }

  keys(prefix?: string): AsyncIterable<string> {
    return this.#store.keys(prefix);
  }

  async *entries(prefix?: string): AsyncIterable<[string, T]> {
    for await (const [key, record] of this.#store.entries(prefix)) {
      yield [key, this.#codec.decode("entries", key, record)];
    }
  }

  listKeys(prefix?: string): Promise<string[]> {
    return this.#store.listKeys(prefix);
  }

  count(prefix?: string): Promise<number> {
    return this.#store.count(prefix);
  }

  clear(prefix?: string): Promise<number> {
    return this.#store.clear(prefix);
  }

  #encodedEntry(entry: readonly [Key, T]): unknown {
    if (!Array.isArray(entry)) return entry;
    const [key, value] = entry as readonly [Key, T];
    return [key, this.#codec.encode("batchPut", key, value)];
  }
}

function bytesOf(value: Value): Buffer {
  return typeof value === "string" ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.length);
}

function isIterable(given: unknown): boolean {
  return typeof given === "object" && given !== null && Symbol.iterator in given;
}

function keyOf(error: SerializationError): { key?: string } {
  return error.key === undefined ? {} : { key: error.key };
}

/**
 * @param view the part of the engine that has the keys of this table, and no others
 * @throws InvalidArgumentError for a name or options that make no sense
 */
export function createTable<T>(
  name: string,
  view: (prefix: string) => TableStore,
  codec: TableFormat | TableCodec<T> | TableOptions<T> | undefined,
): Table<T> {
  checkTableName(name);
  const schema = parseTableOptions(name, codec);
  return new StoredTable<T>(name, view(`${name}:`), new RecordCodec<T>(name, schema));
}
