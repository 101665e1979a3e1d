import type { ValueCodec } from "../../codec/value-codec.js";
import type { CanonicalKey } from "../../core/key.js";
import type { Value } from "../../core/value.js";
import type { DriverContext } from "../contract.js";
import { KeyChecksum } from "../key-checksum.js";
import { type Entry, MemoryStore } from "./memory-store.js";

/** What a memory driver has between open and close. */
export class MemorySession {
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

  put(key: CanonicalKey, value: Value, ttlMs: number): void {
    const entry = this.store.peek(key);
    const expiresAtMs = ttlMs === 0 ? 0 : this.nowMs + ttlMs;
    if (entry !== undefined) {
      this.store.overwrite(entry, this.codec.encode(entry.keyChecksum, value), expiresAtMs);
    } else {
      const keyChecksum = this.#checksum.of(key);
      this.store.add(key, keyChecksum, this.codec.encode(keyChecksum, value), expiresAtMs);
    }
  }

  encode(key: CanonicalKey, value: Value): Buffer {
    return this.codec.encode(this.#checksum.of(key), value);
  }

  putEncoded(key: CanonicalKey, stored: Buffer, ttlMs: number): void {
    const entry = this.store.peek(key);
    const expiresAtMs = ttlMs === 0 ? 0 : this.nowMs + ttlMs;
    if (entry !== undefined) this.store.overwrite(entry, stored, expiresAtMs);
    else this.store.add(key, this.#checksum.of(key), stored, expiresAtMs);
  }

  /** Stores bytes as they are, without a header. */
  putPlain(key: CanonicalKey, entry: Entry | undefined, plain: Buffer): void {
    if (entry !== undefined) this.store.overwrite(entry, plain, entry.expiresAtMs);
    else this.store.add(key, this.#checksum.of(key), plain, 0);
  }

  valueOf(entry: Entry): Buffer {
    return this.codec.decode(entry.stored, 0, entry.stored.length, entry.keyChecksum);
  }
}
