import type { Value } from "../core/value.js";

/** Deepest nesting that is written or read. Parsers and whoever walks the value recurse once per level. */
export const MAX_NESTING = 256;

/** How a value becomes the body of a record. */
export interface BodyFormat {
  /**
   * A text for text formats: a record then goes to the store without a Buffer of its own. Bytes are good until the next
   * call.
   *
   * @throws NestingFault, or an error that says, without showing the value, why it cannot be read back
   */
  encode(value: unknown): Value;
  /** @throws NestingFault, or an error that says what is wrong with the bytes */
  decode(record: Buffer, at: number): unknown;
}

/** The value is nested deeper than `MAX_NESTING`. */
export class NestingFault extends Error {
  constructor() {
    super(`it is nested deeper than ${MAX_NESTING} levels`);
  }
}
