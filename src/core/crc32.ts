import * as zlib from "node:zlib";

/**
 * CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320, as in zlib), continuable: feed the result of one run as the
 * seed of the next. Slicing-by-8 after Kounavis and Berry, "Novel table lookup-based algorithms for
 * high-performance CRC generation" (IEEE Transactions on Computers, 2008).
 */
const TABLES = buildTables();
const T1 = 256;
const T2 = 512;
const T3 = 768;
const T4 = 1024;
const T5 = 1280;
const T6 = 1536;
const T7 = 1792;

/** Above this many bytes the call into zlib is cheaper than the table loop (`bench/micro`). */
const NATIVE_FROM_BYTES = 512;

type NativeCrc32 = (data: Uint8Array, seed: number) => number;
// Absent before Node 20.15, and an import by its name would fail there.
const nativeCrc32 = (zlib as { crc32?: NativeCrc32 }).crc32;

/** The CRC of `bytes[start, end)` continued from `seed`, as an unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): number {
  if (end - start >= NATIVE_FROM_BYTES && nativeCrc32 !== undefined) {
    return nativeCrc32(bytes.subarray(start, end), seed);
  }
  return crc32Sliced(bytes, start, end, seed);
}

export function crc32Sliced(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const tables = TABLES;
  let crc = ~seed;
  let at = start;
  const lastBlock = end - 8;
  while (at <= lastBlock) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      tables[T7 + (low & 0xff)]! ^
      tables[T6 + ((low >>> 8) & 0xff)]! ^
      tables[T5 + ((low >>> 16) & 0xff)]! ^
      tables[T4 + (low >>> 24)]! ^
      tables[T3 + bytes[at + 4]!]! ^
      tables[T2 + bytes[at + 5]!]! ^
      tables[T1 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!;
    at += 8;
  }
  while (at < end) {
    crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!;
    at++;
  }
  return ~crc >>> 0;
}

function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let slice = 1; slice < 8; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const previous = tables[(slice - 1) * 256 + byte]!;
      tables[slice * 256 + byte] = (previous >>> 8) ^ tables[previous & 0xff]!;
    }
  }
  return tables;
}
