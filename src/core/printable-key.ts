import { isBinaryKey } from "./key.js";

const MAX_BYTES = 64;

/** A key as errors and logs show it: control and non-UTF-8 bytes escaped, cut at 64 bytes. */
export function printableKey(key: string): string {
  let shown = "";
  let bytes = 0;
  const binary = isBinaryKey(key);
  for (const character of binary ? key.slice(1) : key) {
    const point = character.codePointAt(0) ?? 0;
    const plain = point >= 0x20 && point !== 0x7f && !(binary && point > 0x7e) && !(point >= 0x80 && point < 0xa0);
    const piece = plain ? character : `\\x${point.toString(16).padStart(2, "0")}`;
    bytes += Buffer.byteLength(piece);
    if (bytes > MAX_BYTES) return `${shown}…`;
    shown += piece;
  }
  return shown;
}
