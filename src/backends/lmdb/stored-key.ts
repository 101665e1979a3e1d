import { type CanonicalKey, canonicalKeyOfBytes, writeKey } from "../../core/key.js";
import type { KeyEncoder, LmdbKey } from "./lmdb-library.js";

/** Longest key LMDB takes with pages of 4 KiB. */
export const MAX_STORED_KEY_BYTES = 1978;

/** Stored keys: the engine's key prefix, then the key's bytes. Written straight into the library's buffers. */
export class StoredKeys implements KeyEncoder {
  readonly prefix: Buffer;
  readonly writeKey: KeyEncoder["writeKey"];
  readonly readKey: KeyEncoder["readKey"];

  constructor(keyPrefix: string) {
    const prefix = Buffer.from(keyPrefix, "utf8");
    const prefixBytes = prefix.length;
    this.prefix = prefix;
    // The library calls these detached from any object.
    this.writeKey = (key, target, at) => {
      if (typeof key !== "string") {
        target.set(key, at);
        return at + key.length;
      }
      for (let i = 0; i < prefixBytes; i++) target[at + i] = prefix[i]!;
      return writeKey(target, at + prefixBytes, key, key.length);
    };
    this.readKey = (source, start, end) => Buffer.from(source.subarray(start, end));
  }

  /** The canonical key of stored bytes. */
  canonical(stored: Buffer): CanonicalKey {
    return canonicalKeyOfBytes(stored.subarray(this.prefix.length));
  }

  /**
   * The stored keys that begin with `prefix` below the key prefix lie in [start, end); no end: to the last one. Undefined:
   * no key is long enough to begin so.
   */
  range(prefix: string): { start: LmdbKey; end: LmdbKey | undefined } | undefined {
    const start = Buffer.concat([this.prefix, Buffer.from(prefix, "utf8")]);
    if (start.length > MAX_STORED_KEY_BYTES) return undefined;
    return { start: start.length === 0 ? Buffer.of(0) : start, end: successor(start) };
  }
}

/** The first byte string after all those that begin with `prefix`. */
function successor(prefix: Buffer): Buffer | undefined {
  for (let last = prefix.length - 1; last >= 0; last--) {
    if (prefix[last]! < 0xff) {
      const end = Buffer.from(prefix.subarray(0, last + 1));
      end[last]!++;
      return end;
    }
  }
  return undefined;
}
