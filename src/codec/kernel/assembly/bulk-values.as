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
const CHECKSUM_AT: u32 = 2;
const COVERED_FROM: u32 = 6;
const MAGIC: u16 = 0x4dc1;
/** Version 1, codec none, checksum present. */
const PLAIN_WITH_CHECKSUM: u16 = 0x0110;
const MAX_FRAME_BYTES: u32 = 1032;
const MAX_LENGTH_DIGITS: usize = 4;

/** Whether it is a value stored as it is, with the checksum that belongs to it. */
// @ts-ignore: decorator
@inline
function isIntact(frame: usize, bytes: u32, keyChecksum: u32): bool {
  if (load<u16>(frame) != MAGIC || load<u16>(frame, COVERED_FROM) != PLAIN_WITH_CHECKSUM) return false;
  return crc32(frame + COVERED_FROM, bytes - COVERED_FROM, keyChecksum) == load<u32>(frame, CHECKSUM_AT);
}

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
      if (!isIntact(from, length, load<u32>(checksums))) break;
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

/*
 * The rows of PostgreSQL's answer to a query of one bytea column, where the socket has put them: `D`, four bytes of
 * length that count themselves, the number of columns, the column's length (-1: null), its bytes; numbers big-endian.
 */
const DATA_ROW: u8 = 0x44;
/** The number of columns, one, and the length of a null, as they stand. */
const ROW_HEADER_BYTES: usize = 11;
const ONE_COLUMN: u16 = 0x0100;
const NULL_LENGTH: u32 = 0xffffffff;
/** What a row's length counts besides the column's bytes. */
const COUNTED_BYTES: u32 = 10;

/** As `scanValues`, for rows. */
export function scanRows(at: usize, end: usize, count: u32, checksums: usize, found: usize): u32 {
  let index: u32 = 0;
  let out = found + 4;
  for (; index < count && at + ROW_HEADER_BYTES <= end; index++) {
    if (load<u8>(at) != DATA_ROW || load<u16>(at, 5) != ONE_COLUMN) break;
    const counted = bswap<u32>(load<u32>(at, 1));
    const length = bswap<u32>(load<u32>(at, 7));
    if (length == NULL_LENGTH) {
      if (counted != COUNTED_BYTES) break;
      store<u64>(out, 0);
      at += ROW_HEADER_BYTES;
    } else {
      if (length < HEADER_BYTES || length > MAX_FRAME_BYTES || counted != COUNTED_BYTES + length) break;
      const from = at + ROW_HEADER_BYTES;
      const until = from + length;
      if (until > end || !isIntact(from, length, load<u32>(checksums))) break;
      store<u32>(out, <u32>(from + HEADER_BYTES));
      store<u32>(out, <u32>until, 4);
      at = until;
    }
    checksums += 4;
    out += 8;
  }
  store<u32>(found, <u32>at);
  return index;
}
