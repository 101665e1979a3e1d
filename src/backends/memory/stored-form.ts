import { byteText, writeByteText } from "../../core/byte-text.js";

/**
 * A stored form in memory that nothing else shares: what is handed to callers lies in blocks with others, each of which
 * lives as long as anything in it. Small ones are text with a character per byte.
 */
export type StoredForm = string | Buffer;

/** Up to here text on the heap is cheaper to make than memory beside it. */
const MAX_TEXT_BYTES = 1024;
/** Longer Buffers are memory of their own already (`core/value-memory.ts`). */
const MAX_SHARED_BYTES = 4096;

/** @param source whatever is in it may change afterwards */
export function copyOfStored(source: Buffer, start: number, end: number): StoredForm {
  if (end - start <= MAX_TEXT_BYTES) return byteText(source, start, end);
  const own = Buffer.allocUnsafeSlow(end - start);
  source.copy(own, 0, start, end);
  return own;
}

/** @param encoded fresh from the codec, and nobody else's */
export function ownStored(encoded: Buffer): StoredForm {
  return encoded.length > MAX_SHARED_BYTES ? encoded : copyOfStored(encoded, 0, encoded.length);
}

/** Gives stored forms as bytes for as long as it takes to read them. */
export class StoredBytes {
  readonly #text = Buffer.allocUnsafeSlow(MAX_TEXT_BYTES);
  /** What is there: a form is asked for twice where it is looked at before it is decoded. */
  #shown = "";

  /** Valid until the next call; what is beyond the form's own length has no meaning. */
  of(form: StoredForm): Buffer {
    if (typeof form !== "string") return form;
    if (form !== this.#shown) {
      writeByteText(this.#text, 0, form);
      this.#shown = form;
    }
    return this.#text;
  }
}
