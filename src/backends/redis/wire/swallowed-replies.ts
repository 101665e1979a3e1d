import type { ValueCodec } from "../../../codec/value-codec.js";

/** What replies of either protocol begin with. */
const BEGINNINGS = new Set(Buffer.from("$*:+-_#,(>%~=!|"));

/**
 * Whether bytes that were taken for one value are that value and replies behind it: a length that was damaged on its way
 * has taken them in, and every later reply would be given to the caller before its own. Then the bytes up to some end of
 * a line, with what begins a reply behind it, verify by themselves. A value that was damaged in any other way is no
 * reason to mistrust the replies behind it.
 */
export function swallowsReplies(
  ...[codec, bytes, from, until, keyChecksum]: [ValueCodec, Buffer, number, number, number]
): boolean {
  const value = bytes.subarray(from, until);
  for (let at = value.indexOf("\r\n"); at >= 0; at = value.indexOf("\r\n", at + 2)) {
    if (BEGINNINGS.has(value[at + 2] ?? 0) && codec.isSealed(value, 0, at, keyChecksum)) return true;
  }
  return false;
}
