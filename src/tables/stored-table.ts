import { isDeepStrictEqual } from "node:util";
import type { CallOptions, ExpiryOptions, PutOptions } from "../core/call-options.js";
import { SerializationError } from "../core/errors.js";
import { type Key, type Value, valueToBuffer } from "../core/value.js";
import { RecordCodec } from "./record-codec.js";
import type {
  SwapByValue,
  Table,
  TableCodec,
  TableFormat,
  TableOptions,
  TableStore,
  TableView,
} from "./table-contract.js";
import { checkTableName, parseTableOptions } from "./table-options.js";

class StoredTable<T> implements Table<T> {
  readonly name: string;
  readonly #store: TableStore;
  readonly #swapByValue: SwapByValue;
  readonly #codec: RecordCodec<T>;

  constructor(name: string, { store, swapByValue }: TableView, codec: RecordCodec<T>) {
    this.name = name;
    this.#store = store;
    this.#swapByValue = swapByValue;
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
    const asked: Key[] = [];
    const records = await this.#store.batchGet(isIterable(keys) ? noted(keys, asked) : keys, options);
    return records.map((record, index) =>
      record === null ? null : this.#codec.decode("batchGet", asked[index]!, record),
    );
  }

  async batchPut(entries: Iterable<readonly [Key, T]>, options?: CallOptions & ExpiryOptions): Promise<void> {
    // What is no iterable of pairs is the engine's to refuse, in its words.
    const encoded: unknown = isIterable(entries) ? this.#encodedEntries(entries) : entries;
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
    if (from === null) return this.#store.compareAndSwap(key, null, to, options);
    const decode = (record: Buffer): T => this.#codec.decode("compareAndSwap", key, record);
    // Compared as both would be read: an expected Date is the text that JSON makes of it.
    const isSame = (record: Buffer): boolean => isDeepStrictEqual(decode(record), decode(valueToBuffer(from)));
    return this.#swapByValue(key, from, to, isSame, options);
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

  /** One after the other, as they are taken: how many are too many is for the engine to say. */
  *#encodedEntries(entries: Iterable<readonly [Key, T]>): Generator<unknown, void> {
    for (const entry of entries) {
      if (!Array.isArray(entry)) {
        yield entry;
        continue;
      }
      const [key, value] = entry as readonly [Key, T];
      yield [key, this.#codec.encode("batchPut", key, value)];
    }
  }
}

function isIterable(given: unknown): given is Iterable<unknown> {
  return typeof given === "object" && given !== null && typeof Reflect.get(given, Symbol.iterator) === "function";
}

function* noted<K>(keys: Iterable<K>, into: K[]): Generator<K, void> {
  for (const key of keys) {
    into.push(key);
    yield key;
  }
}

function keyOf(error: SerializationError): { key?: string } {
  return error.key === undefined ? {} : { key: error.key };
}

/** @throws InvalidArgumentError for a name or options that make no sense */
export function createTable<T>(
  name: string,
  viewOf: (prefix: string) => TableView,
  codec: TableFormat | TableCodec<T> | TableOptions<T> | undefined,
): Table<T> {
  checkTableName(name);
  const schema = parseTableOptions(name, codec);
  const view = viewOf(`${name}:`);
  return new StoredTable<T>(name, view, new RecordCodec<T>(name, view.backend, schema));
}
