import type { CanonicalKey } from "./key.js";

/** See `key.ts` for why not `key.charCodeAt(i)`. */
const codeUnitAt = String.prototype.charCodeAt;

/** FNV-1a over UTF-16 units, of which the key has `units`, the low bits stirred by the high ones. */
export function hashOfKey(key: CanonicalKey, units: number): number {
  let hash = units;
  for (let i = 0; i < units; i++) hash = Math.imul(hash ^ codeUnitAt.call(key, i), 0x01000193);
  return hash ^ (hash >>> 15);
}

/** Never 0, and even: the lowest bit is to spare. */
export function keyHash(key: CanonicalKey): number {
  return evenHash(hashOfKey(key, key.length));
}

/** @param hash as `hashOfKey` makes it; the result is what `keyHash` makes of the key */
export function evenHash(hash: number): number {
  return hash << 1 || 2;
}
