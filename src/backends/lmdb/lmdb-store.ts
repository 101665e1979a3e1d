import { SealingRegion } from "../../codec/kernel/sealing-region.js";
import type { ValueCodec } from "../../codec/value-codec.js";
import { crc32 } from "../../core/crc32.js";
import { type CanonicalKey, keyBytes } from "../../core/key.js";
import type { Value } from "../../core/value.js";
import type { EntryAccess, FoundEntry } from "../conditional-operations.js";
import type { DriverContext } from "../contract.js";
import { KeyChecksum } from "../key-checksum.js";
import type { Request } from "../request.js";
import { dueBefore, indexEntry, indexedKey } from "./expiry-index.js";
import type { LmdbDatabase, LmdbRootDatabase } from "./lmdb-library.js";
import { hasExpired, RECORD_HEADER_BYTES, recordExpiry } from "./record.js";
import { RecordWriter } from "./record-writer.js";
import type { StoredBytes } from "./room.js";
import { SmallValues } from "./small-values.js";
import { MAX_STORED_KEY_BYTES, StoredKeys } from "./stored-key.js";

const LONGEST_SMALL_VALUE_BYTES = 1024;

/**
 * `record` is the library's own buffer: valid until the next read. Its `length` is a property that the library sets; what
 * asks for the memory's own length, as `subarray` without an end does from Node.js 24 on, goes beyond.
 */
export interface FoundRecord extends FoundEntry {
  readonly record: Buffer;
}

export interface UndecodedValue {
  readonly stored: Buffer;
  readonly keyChecksum: number;
}

/**
 * Records and their expiry index. Knows nothing of transactions: inside one of the library's the same calls belong to
 * it, outside reads see what is committed and writes are queued for the library's thread.
 */
export class LmdbStore implements EntryAccess<FoundRecord>, StoredBytes {
  readonly data: LmdbDatabase;
  /** Undefined where there is no memory of the kernel, or where small values might be longer than any may be. */
  readonly smallValues: SmallValues | undefined;
  readonly keys: StoredKeys;
  readonly #root: LmdbRootDatabase;
  readonly #index: LmdbDatabase;
  readonly #codec: ValueCodec;
  readonly #checksum: KeyChecksum;
  readonly #writer: RecordWriter;
  /** Wall clock; set by whoever starts a piece of work, so that all of it happens at one instant. */
  nowMs = 0;

  constructor(root: LmdbRootDatabase, context: DriverContext) {
    this.#root = root;
    this.keys = new StoredKeys(context.keyPrefix);
    this.data = root.openDB({
      name: "records",
      encoding: "binary",
      keyEncoder: this.keys,
      encoder: { encode: (record) => record },
    });
    this.#index = root.openDB({ name: "expiry", encoding: "binary", keyEncoder: this.keys });
    this.#codec = context.codec;
    this.#checksum = new KeyChecksum(context.keyPrefix);
    const region = SealingRegion.take(crc32(this.keys.prefix));
    this.#writer = new RecordWriter(context.codec, region);
    const refusesSmallValues = context.maxValueBytes < LONGEST_SMALL_VALUE_BYTES;
    this.smallValues = region === undefined || refusesSmallValues ? undefined : new SmallValues(region);
  }

  /**
   * What is read next is what has been committed by now, by whomever. The library keeps a snapshot until a timer comes
   * round, which answers that arrive one after the other can put off; only its own commits end it at once.
   */
  readLatest(): void {
    this.data.resetReadTxn();
  }

  find(key: CanonicalKey): FoundRecord | undefined {
    const record = this.data.getBinaryFast(key);
    if (record === undefined) return undefined;
    const expiresAtMs = recordExpiry(record);
    return expiresAtMs !== 0 && expiresAtMs <= this.nowMs ? undefined : { record, expiresAtMs };
  }

  exists(key: CanonicalKey): boolean {
    return this.find(key) !== undefined;
  }

  /** As `exists`, but true of a record that cannot be read: damaged, or written by a newer release. */
  isLive(key: CanonicalKey): boolean {
    const record = this.data.getBinaryFast(key);
    return record !== undefined && !hasExpired(record, this.nowMs);
  }

  get(key: CanonicalKey): Buffer | null {
    const record = this.record(key);
    if (record === undefined) return null;
    return this.#codec.decode(record, RECORD_HEADER_BYTES, record.length, this.#checksum.of(key));
  }

  /** A live record; undefined: there is none. @throws as `recordExpiry` */
  record(key: CanonicalKey): Buffer | undefined {
    const record = this.data.getBinaryFast(key);
    if (record === undefined) return undefined;
    const expiresAtMs = recordExpiry(record);
    return expiresAtMs !== 0 && expiresAtMs <= this.nowMs ? undefined : record;
  }

  /** The record's value; where `defers` says so a compressed one is returned as it is stored, in memory of its own. */
  decodeOrDefer(key: CanonicalKey, record: Buffer, defers: (rawBytes: number) => boolean): Buffer | UndecodedValue {
    const keyChecksum = this.#checksum.of(key);
    const rawBytes = this.#codec.claimedRawBytes(record, RECORD_HEADER_BYTES, record.length);
    if (rawBytes >= 0 && defers(rawBytes)) {
      return { stored: Buffer.from(record.subarray(RECORD_HEADER_BYTES, record.length)), keyChecksum };
    }
    return this.#codec.decode(record, RECORD_HEADER_BYTES, record.length, keyChecksum);
  }

  /** @throws CorruptValueError, UnsupportedOperationError */
  decodeStored(key: CanonicalKey, stored: Buffer): Buffer {
    return this.#codec.decode(stored, 0, stored.length, this.#checksum.of(key));
  }

  valueOf(key: CanonicalKey, entry: FoundRecord): Buffer {
    const { record } = entry;
    return this.#codec.decode(record, RECORD_HEADER_BYTES, record.length, this.#checksum.of(key));
  }

  encode(key: CanonicalKey, value: Value): Buffer {
    return this.#codec.encode(this.#checksum.of(key), value);
  }

  /** Writes what the requests put; `failed` is told of those the store cannot take. */
  putAll(puts: readonly Request[], failed: (request: Request, error: unknown) => void): void {
    const writer = this.#writer;
    for (const request of puts) {
      const { key, keyUnits, ttlMs } = request;
      const value = request.value!;
      const expiresAtMs = ttlMs === 0 ? 0 : this.nowMs + ttlMs;
      if (!writer.hasRoom(keyUnits + value.length)) writer.release(this.#passRecord);
      try {
        // A key that may be too long is put by itself, so that it fails by itself.
        const isShort = keyUnits * 3 + this.keys.prefix.length <= MAX_STORED_KEY_BYTES;
        if (isShort && writer.gather(key, keyUnits, value, expiresAtMs)) continue;
        this.#write(key, writer.write(this.#checksum.of(key), value, expiresAtMs), expiresAtMs);
      } catch (error) {
        failed(request, error);
      }
    }
    writer.release(this.#passRecord);
  }

  putEncoded(key: CanonicalKey, stored: Buffer, expiresAtMs: number): void {
    this.#write(key, this.#writer.writeEncoded(stored, expiresAtMs), expiresAtMs);
  }

  setExpiry(key: CanonicalKey, entry: FoundRecord, expiresAtMs: number): void {
    const stored = entry.record.subarray(RECORD_HEADER_BYTES, entry.record.length);
    this.#write(key, this.#writer.writeEncoded(stored, expiresAtMs), expiresAtMs);
  }

  remove(key: CanonicalKey): void {
    // Where a call queues the write, its own promise says nothing that the transaction's does not.
    void this.data.remove(key);
  }

  /** Removes records that have expired, at most `maxEntries` index entries' worth; returns how many it looked at. */
  sweep(maxEntries: number): number {
    const due = [...this.#dueKeys(maxEntries)];
    for (const indexKey of due) {
      const stored = indexedKey(indexKey, this.#index.getBinaryFast(indexKey) ?? Buffer.alloc(0));
      const record = this.data.getBinaryFast(stored);
      if (record !== undefined && hasExpired(record, this.nowMs)) void this.data.remove(stored);
      void this.#index.remove(indexKey);
    }
    return due.length;
  }

  hasDue(): boolean {
    for (const _ of this.#dueKeys(1)) return true;
    return false;
  }

  /** Up to `limit` stored keys of the range after `after`, expired ones included. */
  keysAfter(prefix: string, after: Buffer | undefined, limit: number): Buffer[] {
    const span = this.keys.range(prefix);
    if (span === undefined) return [];
    this.readLatest();
    const { start, end } = span;
    const range = { start: after ?? start, exclusiveStart: after !== undefined, limit };
    return [...this.data.getKeys(end === undefined ? range : { ...range, end })];
  }

  statistics(): { entries: number; mapBytes: number; fileBytes: number; lastTransaction: number; readers: number } {
    const whole = this.#root.getStats();
    return {
      entries: this.data.getStats().entryCount,
      mapBytes: whole.mapSize,
      fileBytes: (whole.lastPageNumber + 1) * whole.pageSize,
      lastTransaction: whole.lastTxnId,
      readers: whole.numReaders,
    };
  }

  /** Bytes of the pages that hold something; pages that are free for what comes next are not counted. */
  usedBytes(): number {
    const whole = this.#root.getStats();
    const trees = [
      this.data.getStats(),
      this.#index.getStats(),
      whole,
      ...(whole.free === undefined ? [] : [whole.free]),
    ];
    let pages = 2;
    for (const tree of trees) pages += tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages;
    return pages * whole.pageSize;
  }

  readonly recordBytes = (key: CanonicalKey): number => this.data.getBinaryFast(key)?.length ?? 0;

  /** Copies what is committed now into a directory that is there and empty, while reading and writing go on. */
  copyTo(directory: string): Promise<void> {
    return this.#root.backup(directory);
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  #dueKeys(limit: number): Iterable<Buffer> {
    return this.#index.getKeys({ start: Buffer.of(0), end: dueBefore(this.nowMs), limit });
  }

  readonly #passRecord = (key: CanonicalKey, record: Buffer, expiresAtMs: number): void => {
    this.#write(key, record, expiresAtMs);
  };

  #write(key: CanonicalKey, record: Buffer, expiresAtMs: number): void {
    void this.data.put(key, record);
    if (expiresAtMs === 0) return;
    const storedKey = Buffer.concat([this.keys.prefix, keyBytes(key)]);
    const entry = indexEntry(storedKey, expiresAtMs, Math.max(expiresAtMs - this.nowMs, 1));
    void this.#index.put(entry.key, entry.value);
  }
}
