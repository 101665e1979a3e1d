import assert from "node:assert/strict";
import { test } from "node:test";
import { SnappyCompressor, snappyRawBytes } from "../../../../src/codec/compression/snappy.js";
import { CorruptValueError } from "../../../../src/core/errors.js";
import { decompressed, describeCompressor } from "./compressor-suite.js";

describeCompressor(new SnappyCompressor());

test("snappy reads a block written by hand", () => {
  // Length 12; four literals "abcd", then a copy of eight bytes from four back.
  const block = Buffer.concat([Buffer.from([12, 0x0c]), Buffer.from("abcd"), Buffer.from([0x11, 4])]);
  assert.equal(decompressed(new SnappyCompressor(), block, 12).toString(), "abcdabcdabcd");
});

test("snappy refuses a block whose own length is huge, unfinished or beyond 32 bits", () => {
  for (const preamble of [
    [0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x80, 0x80],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    [0xff, 0xff, 0xff, 0xff, 0x7f],
  ]) {
    const block = Buffer.from(
      [...preamble, 0x0c, 0x61, 0x62, 0x63, 0x64].slice(0, preamble.length === 2 ? 2 : undefined),
    );
    const declared = snappyRawBytes(block, 0, block.length);
    assert.throws(() => decompressed(new SnappyCompressor(), block, Math.max(declared, 0)), CorruptValueError);
  }
});
