import { byteText, writeByteText } from "../core/byte-text.js";
import { allocateValue, copyOfBytes } from "../core/value-memory.js";

/** A small value as text with a character per byte, a larger one as bytes of its own; null: the key is absent. */
export type KeptValue = string | Buffer | null;

/** Up to here a value is kept as text on the heap. */
const MAX_TEXT_BYTES = 4096;

/** In memory of its own: the caller may change its bytes, and they may lie in a block with others. */
export function keptForm(value: Buffer | null): KeptValue {
  if (value === null) return null;
  if (value.length <= MAX_TEXT_BYTES) return byteText(value, 0, value.length);
  const copy = Buffer.allocUnsafeSlow(value.length);
  copy.set(value);
  return copy;
}

/** The caller's own. */
export function copyOf(value: KeptValue): Buffer | null {
  if (value === null) return null;
  if (typeof value !== "string") return copyOfBytes(value);
  const copy = allocateValue(value.length);
  writeByteText(copy, 0, value);
  return copy;
}
