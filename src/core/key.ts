import { isUtf8 } from "node:buffer";

/**
 * A key as the engine carries it: one JavaScript string per distinct byte sequence, so that `"a"` and
 * `Buffer.from("a")` are the same key to every map. Bytes that are UTF-8 are that text. Any other bytes are
 * written as a lone low surrogate (with which no valid string key begins) followed by one character per byte.
 */
export type CanonicalKey = string;

/**
 * Called as `codeUnitAt.call(text, i)`. Where strings of more than four internal shapes pass (flat, concatenated,
 * sliced, interned, …), and with keys from everywhere they do, `text.charCodeAt(i)` looks the method up anew for every
 * character, which made it the dearest line of the hot path. A constant of this module: the optimiser sees through it
 * only where it is neither imported nor exported.
 */
const codeUnitAt = String.prototype.charCodeAt;

/** A low surrogate: valid text may begin with a high one (U+10000 and above), never with this. */
const BINARY_MARK = 0xdc00;
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

/**
 * Writes the bytes of a key of `length` UTF-16 units at `at` and returns the end. The target must have room for three
 * bytes a unit.
 */
export function writeKey(target: Buffer, at: number, key: CanonicalKey, length: number): number {
  // Short ASCII keys, nearly all of them, cost less in this loop than one call into the runtime.
  if (length <= 40) {
    let i = 0;
    for (; i < length; i++) {
      const unit = codeUnitAt.call(key, i);
      if (unit > 0x7f) break;
      target[at + i] = unit;
    }
    if (i === length) return at + length;
  }
  if (isBinaryKey(key)) return at + target.write(key.slice(1), at, "latin1");
  return at + target.write(key, at, "utf8");
}
