import { allocateValue, copyOfBytes } from "../core/value-memory.js";

/** A small value as text with a character per byte, a larger one as bytes of its own; null: the key is absent. */
export type KeptValue = string | Buffer | null;

/** Up to here a value is kept as text on the heap: a Buffer of its own costs more than it holds. */
const MAX_TEXT_BYTES = 4096;
/** What `copy.write(text, at, length, "latin1")` comes to once it has looked at its arguments, a tenth of a hit. */
const { latin1Write } = Buffer.prototype as unknown as {
  latin1Write: (this: Buffer, text: string, at: number, length: number) => number;
};

/** In memory of its own: the caller may change its bytes, and they may lie in a block with others. */
export function keptForm(value: Buffer | null): KeptValue {
  if (value === null) return null;
  if (value.length <= MAX_TEXT_BYTES) return value.toString("latin1");
  const copy = Buffer.allocUnsafeSlow(value.length);
  copy.set(value);
  return copy;
}

/** The caller's own. */
export function copyOf(value: KeptValue): Buffer | null {
  if (value === null) return null;
  if (typeof value !== "string") return copyOfBytes(value);
  const copy = allocateValue(value.length);
  latin1Write.call(copy, value, 0, value.length);
  return copy;
}
