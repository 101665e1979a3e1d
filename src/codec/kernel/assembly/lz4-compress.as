import { HASH_TABLE, HASH_TABLE_BITS, HASH_TABLE_BYTES } from "./layout";

/*
 * Greedy LZ4 block compressor for JSON of 1 KiB and up, made to cost little rather than to save the last byte.
 *
 * The hash table maps a hash of eight bytes to the place they were last seen at. It is not cleared between calls, which
 * would cost a small value more than its compression: positions are stored with a bias that grows, call by call, by the
 * length of the input and the reach of a match, so that whatever an earlier call left is out of reach. Only when the
 * bias comes near its end is the table wiped.
 *
 * Eight equal bytes are asked for where the format is content with four: short matches cost as much time as long ones
 * and save little. After a match the search goes on in steps of STEP bytes, and what a step jumps over is won back by
 * extending the next match backwards. Records repeat their structure, so the steps after a match fall on the places
 * where the steps of the record before fell.
 *
 * Comparisons and copies run in blocks over the end of what they are about; the caller leaves room for that (layout.as),
 * and the result of a comparison is cut at the last place a match may reach.
 */
const REACH: u32 = 65535;
/** No input is longer than 64 MiB, so a bias below this one cannot overflow in the call. */
const LAST_BIAS: u32 = 0xf0000000;
/** Rules of the format: the last match starts 12 bytes before the end or earlier, the last 5 bytes are literals. */
const MATCH_START_MARGIN: usize = 12;
const MATCH_END_MARGIN: usize = 5;
/** After 2^6 fruitless probes the step grows by a byte. */
const PATIENCE_BITS: u32 = 6;

let bias: u32 = 0;

// @ts-ignore: decorator
@inline
function hashOf(bytes: u64): usize {
  return <usize>((bytes * 0x9e3779b97f4a7c15) >> (64 - HASH_TABLE_BITS)) << 2;
}

/** Small values have little to find, and it is not found in large steps; large ones cost time and repeat themselves. */
function stepFor(bytes: u32): u32 {
  if (bytes < 4096) return 2;
  return bytes < 8192 ? 3 : 4;
}

// @ts-ignore: decorator
@inline
function writeLength(at: usize, rest: u32): usize {
  while (rest >= 255) {
    store<u8>(at++, 255);
    rest -= 255;
  }
  store<u8>(at++, rest);
  return at;
}

export function compressBlock(input: usize, bytes: u32, output: usize): u32 {
  const inputEnd = input + bytes;
  let anchor = input;
  let out = output;
  if (bytes > <u32>MATCH_START_MARGIN) {
    if (bias > LAST_BIAS) {
      memory.fill(HASH_TABLE, 0, HASH_TABLE_BYTES);
      bias = 0;
    }
    bias += REACH + 1;
    const toBiased: u32 = bias - <u32>input;
    bias += bytes;
    const lastStart = inputEnd - MATCH_START_MARGIN;
    const lastEnd = inputEnd - MATCH_END_MARGIN;
    const eager = stepFor(bytes) << PATIENCE_BITS;
    let at = input;
    store<u32>(HASH_TABLE + hashOf(load<u64>(at)), <u32>at + toBiased);
    at++;
    let patience = eager;
    while (at <= lastStart) {
      const here = load<u64>(at);
      const slot = HASH_TABLE + hashOf(here);
      const biased = <u32>at + toBiased;
      const distance = biased - load<u32>(slot);
      store<u32>(slot, biased);
      if (distance > REACH || load<u64>(at - distance) != here) {
        at += patience++ >> PATIENCE_BITS;
        continue;
      }
      let end = at + 8;
      for (;;) {
        const differences = load<u64>(end) ^ load<u64>(end - distance);
        if (differences) {
          end += <usize>(ctz(differences) >> 3);
          break;
        }
        end += 8;
        if (end >= lastEnd) break;
      }
      if (end > lastEnd) end = lastEnd;
      const before = at - distance;
      const back = <usize>(clz(load<u64>(at - 8) ^ load<u64>(before - 8)) >> 3);
      at -= min(back, min(at - anchor, before - input));
      const literals = <u32>(at - anchor);
      const rest = <u32>(end - at) - 4;
      const token = out++;
      let mark: u32;
      if (literals < 15) {
        mark = literals << 4;
        v128.store(out, v128.load(anchor));
      } else {
        mark = 0xf0;
        out = writeLength(out, literals - 15);
        let to = out;
        let source = anchor;
        const copyEnd = out + literals;
        do {
          v128.store(to, v128.load(source));
          to += 16;
          source += 16;
        } while (to < copyEnd);
      }
      out += literals;
      store<u16>(out, distance);
      out += 2;
      if (rest < 15) {
        mark |= rest;
      } else {
        mark |= 15;
        out = writeLength(out, rest - 15);
      }
      store<u8>(token, mark);
      anchor = end;
      at = end;
      patience = eager;
    }
  }
  const literals = <u32>(inputEnd - anchor);
  if (literals < 15) {
    store<u8>(out++, literals << 4);
  } else {
    store<u8>(out++, 0xf0);
    out = writeLength(out, literals - 15);
  }
  memory.copy(out, anchor, literals);
  return <u32>(out + literals - output);
}
