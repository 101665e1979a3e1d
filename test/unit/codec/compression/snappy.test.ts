import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { collectGarbage } from "../../../../bench/lib/garbage.js";
import { SnappyCompressor, snappyRawBytes } from "../../../../src/codec/compression/snappy.js";
import { decompressed, describeCompressor } from "./compressor-suite.js";

describeCompressor(new SnappyCompressor());

test("snappy reads a block written by hand", () => {
  // Length 12; four literals "abcd", then a copy of eight bytes from four back.
  const block = Buffer.concat([Buffer.from([12, 0x0c]), Buffer.from("abcd"), Buffer.from([0x11, 4])]);
  assert.equal(decompressed(new SnappyCompressor(), block, 12).toString(), "abcdabcdabcd");
});

test("snappy refuses a block whose own length is not the claimed one, unfinished or beyond 32 bits, unread", () => {
  const preambles: [bytes: number[], declared: number][] = [
    [[0xff, 0xff, 0xff, 0xff, 0x0f], 2 ** 32 - 1],
    [[0xff, 0xff, 0xff, 0xff, 0x1f], -1],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0x01], -1],
    [[0x80, 0x80], -1],
    [[13], 13],
  ];
  for (const [preamble, declared] of preambles) {
    const block = Buffer.from(preamble.length === 2 ? preamble : [...preamble, 0x0c, 0x61, 0x62, 0x63, 0x64]);
    assert.equal(snappyRawBytes(block, 0, block.length), declared);
    assert.throws(() => new SnappyCompressor().decompress(block, 0, block.length, 12), {
      name: "CorruptValueError",
      message: `snappy body is damaged: the block holds ${declared} bytes of 12`,
    });
  }
});

test("snappy refuses a length no block of that size can have before its decoder runs", () => {
  const block = Buffer.from([0xff, 0xff, 0xff, 0x0f, 0x0c, 0x61, 0x62, 0x63, 0x64]);
  const refusal = { name: "CorruptValueError", message: /: a block of 9 bytes cannot hold 33554431$/ };
  assert.throws(() => new SnappyCompressor().decompress(block, 0, block.length, 2 ** 25 - 1), refusal);
});

test("snappy's results are in memory of JavaScript's own, not in the binding's", () => {
  const bytes = 1 << 20;
  const raw = randomBytes(bytes);
  const target = Buffer.alloc(2 * bytes);
  const snappy = new SnappyCompressor();
  const end = snappy.compressInto(raw, target, 0, target.length);
  assert.ok(growth(() => snappy.compressInto(raw, target, 0, target.length)) >= bytes);
  assert.ok(growth(() => snappy.decompress(target, 0, end, bytes)) >= bytes);
});

/** By how many bytes the memory of array buffers grew, at most: what others left may be collected in between. */
function growth(work: () => unknown): number {
  let most = 0;
  for (let round = 0; round < 8; round++) {
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    work();
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  return most;
}
