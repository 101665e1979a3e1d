import { crc32 } from "../core/crc32.js";
import { type CanonicalKey, writeKey } from "../core/key.js";

/** CRC-32 of stored keys: the bytes of the engine's key prefix, then those of the key. */
export class KeyChecksum {
  readonly #prefixChecksum: number;
  #scratch = Buffer.allocUnsafe(1024);

  constructor(keyPrefix: string) {
    this.#prefixChecksum = crc32(Buffer.from(keyPrefix, "utf8"));
  }

  of(key: CanonicalKey): number {
    if (key.length * 3 > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(key.length * 3);
    const end = writeKey(this.#scratch, 0, key, key.length);
    return crc32(this.#scratch, 0, end, this.#prefixChecksum);
  }
}
