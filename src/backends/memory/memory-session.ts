import type { ValueCodec } from "../../codec/value-codec.js";
import type { CanonicalKey } from "../../core/key.js";
import type { Value } from "../../core/value.js";
import type { EntryAccess } from "../conditional-operations.js";
import type { DriverContext } from "../contract.js";
import { KeyChecksum } from "../key-checksum.js";
import { type Entry, MemoryStore } from "./memory-store.js";
import { copyOfStored, ownStored, StoredBytes, type StoredForm } from "./stored-form.js";

/** What may be as long when encoded, however it turns out, is encoded here, and copied as long as it is. */
const SCRATCH_BYTES = 16_384;

/** What a memory driver has between open and close. */
export class MemorySession implements EntryAccess<Entry> {
  readonly codec: ValueCodec;
  readonly store: MemoryStore;
  readonly #checksum: KeyChecksum;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  readonly #bytes = new StoredBytes();
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
    const { stored, keyChecksum } = entry;
    return this.codec.decode(this.#bytes.of(stored), 0, stored.length, keyChecksum);
  }

  /** Length before compression; -1: it is not compressed. */
  claimedRawBytes({ stored }: Entry): number {
    return this.codec.claimedRawBytes(this.#bytes.of(stored), 0, stored.length);
  }

  /** The stored form in memory that stays as it is. */
  storedOf({ stored }: Entry): Buffer {
    return typeof stored === "string" ? Buffer.from(stored, "latin1") : stored;
  }

  encode(key: CanonicalKey, value: Value): Buffer {
    return this.codec.encode(this.#checksum.of(key), value);
  }

  put(key: CanonicalKey, value: Value, expiresAtMs: number): void {
    const entry = this.store.peek(key);
    const keyChecksum = entry === undefined ? this.#checksum.of(key) : entry.keyChecksum;
    const stored = this.#storedForm(keyChecksum, value);
    if (entry !== undefined) this.store.overwrite(entry, stored, expiresAtMs);
    else this.store.add(key, keyChecksum, stored, expiresAtMs);
  }

  putEncoded(key: CanonicalKey, encoded: Buffer, expiresAtMs: number): void {
    const stored = ownStored(encoded);
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

  #storedForm(keyChecksum: number, value: Value): StoredForm {
    if (this.codec.maxEncodedBytes(value) > SCRATCH_BYTES) return ownStored(this.codec.encode(keyChecksum, value));
    return copyOfStored(this.#scratch, 0, this.codec.encodeInto(this.#scratch, 0, keyChecksum, value));
  }
}
