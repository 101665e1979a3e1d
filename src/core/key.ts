import { isUtf8 } from "node:buffer";

/**
 * A key as the engine carries it: one JavaScript string per distinct byte sequence, so that `"a"` and
 * `Buffer.from("a")` are the same key to every map. Bytes that are UTF-8 are that text. Any other bytes are
 * written as a lone surrogate (which no valid string key contains) followed by one character per byte.
 */
export type CanonicalKey = string;

const BINARY_MARK = 0xd800;
const BINARY_PREFIX = String.fromCharCode(BINARY_MARK);

export function canonicalKeyOfBytes(bytes: Uint8Array): CanonicalKey {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(view) ? view.toString("utf8") : BINARY_PREFIX + view.toString("latin1");
}

export function isBinaryKey(key: CanonicalKey): boolean {
  return key.charCodeAt(0) === BINARY_MARK;
}

/** Puts a namespace (text) before a key; either may be anything a key can be. */
export function joinKey(namespace: string, key: CanonicalKey): CanonicalKey {
  if (namespace === "") return key;
  if (!isBinaryKey(key)) return namespace + key;
  return BINARY_PREFIX + Buffer.from(namespace, "utf8").toString("latin1") + key.slice(1);
}

/** The bytes that stand in the store for this key (without the engine's key prefix). */
export function keyBytes(key: CanonicalKey): Buffer {
  return isBinaryKey(key) ? Buffer.from(key.slice(1), "latin1") : Buffer.from(key, "utf8");
}

export function keyByteLength(key: CanonicalKey): number {
  return isBinaryKey(key) ? key.length - 1 : Buffer.byteLength(key, "utf8");
}

/** Writes the key's bytes at `at` and returns the end. The target must have room for three bytes a character. */
export function writeKey(target: Buffer, at: number, key: CanonicalKey): number {
  const length = key.length;
  // Short ASCII keys, nearly all of them, cost less in this loop than one call into the runtime.
  if (length <= 40) {
    let i = 0;
    for (; i < length; i++) {
      const unit = key.charCodeAt(i);
      if (unit > 0x7f) break;
      target[at + i] = unit;
    }
    if (i === length) return at + length;
  }
  if (isBinaryKey(key)) return at + target.write(key.slice(1), at, "latin1");
  return at + target.write(key, at, "utf8");
}
