import type { ValueCodec } from "../../../codec/value-codec.js";

/** What replies of either protocol begin with. */
const BEGINNINGS = new Set(Buffer.from("$*:+-_#,(>%~=!|"));

/** A value of very many lines is not looked through for longer than this: so many replies have been swallowed at most. */
const MOST_SWALLOWED = 1024;

export function beginsReply(byte: number): boolean {
  return BEGINNINGS.has(byte);
}

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
  const ends: number[] = [];
  for (let at = value.length; at > 0 && ends.length < MOST_SWALLOWED; ) {
    at = value.lastIndexOf("\r\n", at - 1);
    if (at < 0) break;
    if (beginsReply(value[at + 2] ?? 0)) ends.push(at);
  }
  return ends.length > 0 && codec.isSealedAt(value, 0, ends.reverse(), keyChecksum);
}
