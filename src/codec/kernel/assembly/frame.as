import { crc32 } from "./crc32";
import { compressBlock } from "./lz4-compress";
import { decompressBlock } from "./lz4-decompress";

/*
 * A whole stored value with LZ4 and checksum, laid out as src/codec/envelope.ts says, in one call each way: crossing
 * into WebAssembly, and the header byte by byte from JavaScript, cost as much as the work on a small value.
 */
const HEADER_BYTES: u32 = 12;
const CHECKSUM_AT: u32 = 2;
const COVERED_FROM: u32 = 6;
const RAW_BYTES_AT: u32 = 8;
/** 0xC1 0x4D, read as a little-endian number. */
const MAGIC: u16 = 0x4dc1;
/** Version 1, codec 1, checksum present. */
const LZ4_WITH_CHECKSUM: u16 = 0x0111;

const TOO_LARGE: i32 = -1;
const CHECKSUM_DIFFERS: i32 = -2;

/**
 * The frame's size, or TOO_LARGE when the block takes `limit` bytes or more. The checksum is left out of frames larger
 * than `checksumUpTo`, for which the caller has something faster.
 */
export function sealFrame(input: usize, bytes: u32, frame: usize, limit: i32, checksumUpTo: i32, seed: u32): i32 {
  const blockBytes = <i32>compressBlock(input, bytes, frame + HEADER_BYTES);
  if (blockBytes >= limit) return TOO_LARGE;
  const frameBytes = <i32>HEADER_BYTES + blockBytes;
  store<u16>(frame, MAGIC);
  store<u16>(frame + COVERED_FROM, LZ4_WITH_CHECKSUM);
  store<u32>(frame + RAW_BYTES_AT, bytes);
  if (frameBytes <= checksumUpTo) {
    store<u32>(frame + CHECKSUM_AT, crc32(frame + COVERED_FROM, frameBytes - COVERED_FROM, seed));
  }
  return frameBytes;
}

/** `rawBytes`, or a negative number: the checksum is wrong, or right around what is no block of that length. */
export function openFrame(frame: usize, frameBytes: u32, output: usize, rawBytes: u32, seed: u32): i32 {
  const checksum = crc32(frame + COVERED_FROM, frameBytes - COVERED_FROM, seed);
  if (checksum != load<u32>(frame + CHECKSUM_AT)) return CHECKSUM_DIFFERS;
  return decompressBlock(frame + HEADER_BYTES, frameBytes - HEADER_BYTES, output, rawBytes);
}

/**
 * Puts their checksums into frames that have all but that. A note is four numbers: where the stored key lies, counted
 * from `base`, and its bytes; where the frame lies, and its bytes. Frames lie behind their keys or before, in any order.
 * @param seed CRC-32 of what stands before every key
 */
export function sealFrames(notes: usize, count: u32, base: usize, seed: u32): void {
  const end = notes + (<usize>count << 4);
  for (; notes < end; notes += 16) {
    const keyChecksum = crc32(base + load<u32>(notes), load<u32>(notes, 4), seed);
    const frame = base + load<u32>(notes, 8);
    store<u32>(frame + CHECKSUM_AT, crc32(frame + COVERED_FROM, load<u32>(notes, 12) - COVERED_FROM, keyChecksum));
  }
}
