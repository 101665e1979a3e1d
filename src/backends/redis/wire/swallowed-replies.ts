/** What replies of either protocol begin with. */
const BEGINNINGS = new Set(Buffer.from("$*:+-_#,(>%~=!|"));

/**
 * Whether a value that does not verify holds, behind an end of a line, what replies begin with. Then its length may have
 * been damaged on its way, and what followed it been taken for a part of it: every later reply would be given to the
 * caller before its own. Damage that holds nothing of the kind was done to this value alone.
 */
export function mayHoldReplies(bytes: Buffer, from: number, until: number): boolean {
  const value = bytes.subarray(from, until);
  for (let at = value.indexOf("\r\n"); at >= 0; at = value.indexOf("\r\n", at + 2)) {
    if (BEGINNINGS.has(value[at + 2] ?? 0)) return true;
  }
  return false;
}
