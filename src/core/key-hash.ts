import type { CanonicalKey } from "./key.js";

/** See `key.ts` for why not `key.charCodeAt(i)`. */
const codeUnitAt = String.prototype.charCodeAt;

/** FNV-1a over UTF-16 units, the low bits stirred by the high ones; never 0, and even: the lowest bit is to spare. */
export function keyHash(key: CanonicalKey): number {
  const { length } = key;
  let hash = length;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ codeUnitAt.call(key, i), 0x01000193);
  return (hash ^ (hash >>> 15)) << 1 || 2;
}
