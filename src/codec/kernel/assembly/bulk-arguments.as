import { crc32 } from "./crc32";

/*
 * Arguments of commands, as `$`, the length, line end, that many bytes, line end: keys, lifetimes and values that are
 * stored as they are under a header with a checksum (src/codec/envelope.ts). Their text, ASCII, lies in one piece without
 * anything between. Copies run up to fifteen bytes over their ends; what comes next goes over it.
 */
const DOLLAR: u8 = 0x24;
const LINE_END: u16 = 0x0a0d;
const HEADER_BYTES: u32 = 8;
const CHECKSUM_AT: u32 = 2;
const COVERED_FROM: u32 = 6;
const MAGIC: u16 = 0x4dc1;
/** Version 1, codec none, checksum present. */
const PLAIN_WITH_CHECKSUM: u16 = 0x0110;

// @ts-ignore: decorator
@inline
function copy(from: usize, bytes: u32, to: usize): usize {
  const end = to + bytes;
  for (; to < end; to += 16, from += 16) v128.store(to, v128.load(from));
  return end;
}

function digitsOf(value: u32): u32 {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  let digits: u32 = 4;
  for (let rest = value / 10_000; rest > 0; rest /= 10) digits++;
  return digits;
}

function decimal(value: u32, digits: u32, at: usize): usize {
  const end = at + digits;
  for (let p = end; p > at; value /= 10) store<u8>(--p, 48 + <u8>(value % 10));
  return end;
}

// @ts-ignore: decorator
@inline
function header(bytes: u32, at: usize): usize {
  store<u8>(at, DOLLAR);
  const end = decimal(bytes, digitsOf(bytes), at + 1);
  store<u16>(end, LINE_END);
  return end + 2;
}

// @ts-ignore: decorator
@inline
function lineEnd(at: usize): usize {
  store<u16>(at, LINE_END);
  return at + 2;
}

/**
 * Keys, each behind `head`, which may be empty, and behind `prefix` within the argument. A note is one number: the key's
 * bytes in the text; the checksum of the stored key takes its place.
 * @param seed CRC-32 of the prefix
 * @returns the end of what was written from `out` on
 */
export function writeKeys(
  text: usize,
  notes: usize,
  count: u32,
  out: usize,
  prefix: usize,
  prefixBytes: u32,
  seed: u32,
  head: usize,
  headBytes: u32,
): usize {
  const end = notes + (<usize>count << 2);
  for (; notes < end; notes += 4) {
    const bytes = load<u32>(notes);
    out = copy(head, headBytes, out);
    out = header(prefixBytes + bytes, out);
    out = copy(prefix, prefixBytes, out);
    out = lineEnd(copy(text, bytes, out));
    store<u32>(notes, crc32(text, bytes, seed));
    text += bytes;
  }
  return out;
}

/**
 * Keys and values in turn. A note is three numbers: bytes of the key, bytes of the value, and a lifetime that becomes an
 * argument between them, unless it is 0.
 * @param seed CRC-32 of the prefix
 * @returns the end of what was written from `out` on
 */
export function writeEntries(
  text: usize,
  notes: usize,
  count: u32,
  out: usize,
  prefix: usize,
  prefixBytes: u32,
  seed: u32,
  head: usize,
  headBytes: u32,
): usize {
  const end = notes + <usize>count * 12;
  for (; notes < end; notes += 12) {
    const keyBytes = load<u32>(notes);
    const valueBytes = load<u32>(notes, 4);
    const lifetime = load<u32>(notes, 8);
    out = copy(head, headBytes, out);
    out = header(prefixBytes + keyBytes, out);
    out = copy(prefix, prefixBytes, out);
    out = lineEnd(copy(text, keyBytes, out));
    const keyChecksum = crc32(text, keyBytes, seed);
    text += keyBytes;
    if (lifetime !== 0) {
      const digits = digitsOf(lifetime);
      out = header(digits, out);
      out = lineEnd(decimal(lifetime, digits, out));
    }
    const frame = header(HEADER_BYTES + valueBytes, out);
    store<u16>(frame, MAGIC);
    store<u16>(frame + COVERED_FROM, PLAIN_WITH_CHECKSUM);
    const body = copy(text, valueBytes, frame + HEADER_BYTES);
    text += valueBytes;
    store<u32>(frame + CHECKSUM_AT, crc32(frame + COVERED_FROM, HEADER_BYTES - COVERED_FROM + valueBytes, keyChecksum));
    out = lineEnd(body);
  }
  return out;
}
