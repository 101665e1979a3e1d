import { crc32 } from "./crc32";

/*
 * The values of a reply to MGET where the socket has put them: `$`, the length, line end, that many bytes, line end. Found
 * and checked here are only small ones that are stored as they are under a header with a checksum (src/codec/envelope.ts),
 * and nulls. Anything else, and whatever has not arrived to its end, is left to the caller, who also knows what is wrong
 * with it.
 */
const DOLLAR: u8 = 0x24;
const LINE_END: u16 = 0x0a0d;
/** What follows the dollar of a null: -1 and a line end. */
const NULL: u32 = 0x0a0d312d;
const NULL_BYTES: usize = 5;
const HEADER_BYTES: u32 = 8;
const COVERED_FROM: u32 = 6;
const MAGIC: u16 = 0x4dc1;
/** Version 1, codec none, checksum present. */
const PLAIN_WITH_CHECKSUM: u16 = 0x0110;
const MAX_FRAME_BYTES: u32 = 1032;
const MAX_LENGTH_DIGITS: usize = 4;

/**
 * How many of `count` values in a row were found from `at` on. The first word at `found` is where the first begins that
 * was not; then come two words for each, where it begins and ends, zero for a null.
 * @param checksums CRC-32 of the stored keys, a word each
 */
export function scanValues(at: usize, end: usize, count: u32, checksums: usize, found: usize): u32 {
  let index: u32 = 0;
  let out = found + 4;
  for (; index < count && at + NULL_BYTES <= end; index++) {
    if (load<u8>(at) != DOLLAR) break;
    if (load<u32>(at, 1) == NULL) {
      store<u64>(out, 0);
      at += NULL_BYTES;
    } else {
      let p = at + 1;
      let length: u32 = 0;
      let digit = <u32>load<u8>(p) - 48;
      while (digit <= 9 && p - at <= MAX_LENGTH_DIGITS) {
        length = length * 10 + digit;
        digit = <u32>load<u8>(++p) - 48;
      }
      const from = p + 2;
      const until = from + length;
      if (length < HEADER_BYTES || length > MAX_FRAME_BYTES || until + 2 > end) break;
      if (load<u16>(p) != LINE_END || load<u16>(until) != LINE_END) break;
      if (load<u16>(from) != MAGIC || load<u16>(from, COVERED_FROM) != PLAIN_WITH_CHECKSUM) break;
      if (crc32(from + COVERED_FROM, length - COVERED_FROM, load<u32>(checksums)) != load<u32>(from, 2)) break;
      store<u32>(out, <u32>(from + HEADER_BYTES));
      store<u32>(out, <u32>until, 4);
      at = until + 2;
    }
    checksums += 4;
    out += 8;
  }
  store<u32>(found, <u32>at);
  return index;
}
