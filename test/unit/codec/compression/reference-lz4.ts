/** The LZ4 block format as its specification words it, slow and plain: what every other reader would make of a block. */
export function referenceLz4Decode(block: Uint8Array): Buffer {
  const output: number[] = [];
  let at = 0;
  const next = (): number => {
    const byte = block[at++];
    if (byte === undefined) throw new RangeError("the block ends too early");
    return byte;
  };
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    if (nibble !== 15) return length;
    for (;;) {
      const more = next();
      length += more;
      if (more !== 255) return length;
    }
  };
  for (;;) {
    const token = next();
    for (let left = lengthFrom(token >>> 4); left > 0; left--) output.push(next());
    if (at === block.length) return Buffer.from(output);
    const distance = next() | (next() << 8);
    if (distance === 0 || distance > output.length) throw new RangeError("a match starts before the text");
    for (let left = lengthFrom(token & 15) + 4; left > 0; left--) output.push(output[output.length - distance]!);
  }
}
