import type { ValueCodec } from "../../codec/value-codec.js";
import type { CanonicalKey } from "../../core/key.js";
import type { Value } from "../../core/value.js";
import type { EntryAccess } from "../conditional-operations.js";
import type { DriverContext } from "../contract.js";
import { KeyChecksum } from "../key-checksum.js";
import { type Entry, MemoryStore } from "./memory-store.js";

/** What a memory driver has between open and close. */
export class MemorySession implements EntryAccess<Entry> {
  readonly codec: ValueCodec;
  readonly store: MemoryStore;
  readonly #checksum: KeyChecksum;
  /** The instant at which the batch under way runs. */
  nowMs: number;

  constructor(context: DriverContext, nowMs: number) {
    this.codec = context.codec;
    this.store = new MemoryStore(nowMs);
    this.#checksum = new KeyChecksum(context.keyPrefix);
    this.nowMs = nowMs;
  }

  find(key: CanonicalKey): Entry | undefined {
    return this.store.find(key, this.nowMs);
  }

  valueOf(_key: CanonicalKey, entry: Entry): Buffer {
    return this.codec.decode(entry.stored, 0, entry.stored.length, entry.keyChecksum);
  }

  encode(key: CanonicalKey, value: Value): Buffer {
    return this.codec.encode(this.#checksum.of(key), value);
  }

  put(key: CanonicalKey, value: Value, expiresAtMs: number): void {
    const entry = this.store.peek(key);
    const keyChecksum = entry === undefined ? this.#checksum.of(key) : entry.keyChecksum;
    const stored = this.codec.encode(keyChecksum, value);
    if (entry !== undefined) this.store.overwrite(entry, stored, expiresAtMs);
    else this.store.add(key, keyChecksum, stored, expiresAtMs);
  }

  putEncoded(key: CanonicalKey, stored: Buffer, expiresAtMs: number): void {
    const entry = this.store.peek(key);
    if (entry !== undefined) this.store.overwrite(entry, stored, expiresAtMs);
    else this.store.add(key, this.#checksum.of(key), stored, expiresAtMs);
  }

  setExpiry(_key: CanonicalKey, entry: Entry, expiresAtMs: number): void {
    this.store.setExpiry(entry, expiresAtMs);
  }

  remove(_key: CanonicalKey, entry: Entry): void {
    this.store.remove(entry);
  }
}
