import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 as reference } from "node:zlib";
import { crc32, crc32Sliced } from "../../../src/core/crc32.js";

const noise = Buffer.from(Array.from({ length: 3000 }, (_, i) => (Math.imul(i + 1, 2_654_435_761) >>> 11) & 0xff));

test("the checksum is zlib's for every length, offset and seed", () => {
  for (let length = 0; length <= 1100; length++) {
    const start = length % 13;
    const seed = Math.imul(length, 40_503) >>> 0;
    const expected = reference(noise.subarray(start, start + length), seed);
    assert.equal(crc32(noise, start, start + length, seed), expected, `${length} bytes`);
    assert.equal(crc32Sliced(noise, start, start + length, seed), expected, `${length} bytes, by tables`);
  }
});

test("a checksum continues from that of what came before", () => {
  const whole = reference(noise);
  for (let cut = 0; cut <= noise.length; cut += 7) {
    assert.equal(crc32(noise, cut, undefined, crc32(noise, 0, cut)), whole);
  }
});

test("the check value of the standard comes out", () => {
  assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
});
