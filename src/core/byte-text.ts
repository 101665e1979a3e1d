/**
 * Bytes as text with a character per byte, on the heap. Many small byte sequences are kept so: a Buffer of its own costs
 * more than it holds, and one in a block that others share keeps the block.
 */

/**
 * What `target.write(text, at, length, "latin1")` and `toString("latin1")` come to once they have looked at their
 * arguments, which is a tenth of a cache hit.
 */
const { latin1Write, latin1Slice } = Buffer.prototype as unknown as {
  readonly latin1Write: (this: Buffer, text: string, at: number, length: number) => number;
  readonly latin1Slice: (this: Buffer, start: number, end: number) => string;
};

export function byteText(source: Buffer, start: number, end: number): string {
  return latin1Slice.call(source, start, end);
}

/** The target must have room for it. */
export function writeByteText(target: Buffer, at: number, text: string): void {
  latin1Write.call(target, text, at, text.length);
}
