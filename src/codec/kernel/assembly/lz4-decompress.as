/*
 * LZ4 block decompressor for bytes nobody vouches for: no length is used before it was compared with what is left of
 * the block and of the output. Copies run in blocks of 8 and 16 bytes over their end into the slack behind the output.
 */
export const NOT_A_BLOCK: i32 = -1;

export function decompressBlock(input: usize, bytes: u32, output: usize, rawBytes: u32): i32 {
  const inputEnd = input + bytes;
  const outputEnd = output + rawBytes;
  let at = input;
  let out = output;
  while (at < inputEnd) {
    const token: u32 = load<u8>(at++);
    let literals = token >> 4;
    if (literals < 15) {
      if (literals > <u32>(inputEnd - at) || literals > <u32>(outputEnd - out)) return NOT_A_BLOCK;
      v128.store(out, v128.load(at));
    } else {
      let more: u32;
      do {
        if (at >= inputEnd) return NOT_A_BLOCK;
        more = load<u8>(at++);
        literals += more;
      } while (more == 255);
      if (literals > <u32>(inputEnd - at) || literals > <u32>(outputEnd - out)) return NOT_A_BLOCK;
      let to = out;
      let source = at;
      const copyEnd = out + literals;
      do {
        v128.store(to, v128.load(source));
        to += 16;
        source += 16;
      } while (to < copyEnd);
    }
    out += literals;
    at += literals;
    if (at == inputEnd) return out == outputEnd ? <i32>rawBytes : NOT_A_BLOCK;
    if (inputEnd - at < 2) return NOT_A_BLOCK;
    const distance: u32 = load<u16>(at);
    at += 2;
    if (distance == 0 || distance > <u32>(out - output)) return NOT_A_BLOCK;
    let length = token & 15;
    if (length == 15) {
      let more: u32;
      do {
        if (at >= inputEnd) return NOT_A_BLOCK;
        more = load<u8>(at++);
        length += more;
      } while (more == 255);
    }
    length += 4;
    if (length > <u32>(outputEnd - out)) return NOT_A_BLOCK;
    const copyEnd = out + length;
    let from = out - distance;
    if (distance >= 16) {
      do {
        v128.store(out, v128.load(from));
        out += 16;
        from += 16;
      } while (out < copyEnd);
    } else {
      if (distance < 8) {
        // Eight bytes singly; from then on the pattern repeats at a multiple of its length that blocks of 8 can keep.
        for (let i: usize = 0; i < 8; i++) store<u8>(out + i, load<u8>(from + i));
        out += 8;
        from = out - ((7 / distance) + 1) * distance;
      }
      while (out < copyEnd) {
        store<u64>(out, load<u64>(from));
        out += 8;
        from += 8;
      }
    }
    out = copyEnd;
  }
  return NOT_A_BLOCK;
}
