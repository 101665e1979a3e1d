import { type CanonicalKey, isBinaryKey } from "./key.js";

/** Shorter texts are never cut out of others by reference. */
const SHORTEST_SHARED_TEXT = 13;
const scratch = Buffer.allocUnsafeSlow(1024);

/**
 * The same key, in memory of its own: one that was cut out of a larger text would keep all of that alive. The engine
 * of JavaScript shares the memory of cuts from this length on.
 */
export function ownKey(key: CanonicalKey): CanonicalKey {
  if (key.length < SHORTEST_SHARED_TEXT) return key;
  if (isBinaryKey(key) || key.length * 3 > scratch.length) return ` ${key}`.slice(1);
  return scratch.toString("utf8", 0, scratch.write(key));
}
