import assert from "node:assert/strict";
import { test } from "node:test";
import * as zlib from "node:zlib";
import * as packaged from "@bokuweb/zstd-wasm";
import fc from "fast-check";
import { MAX_COMPRESSIBLE_BYTES } from "../../../../src/codec/compression/compressor.js";
import { ZstdCompressor } from "../../../../src/codec/compression/zstd.js";
import { zstdContentSize } from "../../../../src/codec/compression/zstd-frame.js";
import { ConfigError, CorruptValueError } from "../../../../src/core/errors.js";
import { compressed, decompressed, describeCompressor } from "./compressor-suite.js";
import { binaryValues, incompressibleBytes, sampleRecord } from "./sample-values.js";

describeCompressor(new ZstdCompressor());

/** Declared by Node.js 22.15 and later only. */
interface NativeZstd {
  zstdCompressSync(bytes: Uint8Array, options?: { pledgedSrcSize?: number }): Buffer;
  zstdDecompressSync(bytes: Uint8Array): Buffer;
}
const native = "zstdCompressSync" in zlib ? (zlib as unknown as NativeZstd) : undefined;

test("zstd frames are exchanged with the package's own interface, and with node:zlib where it has zstd", async () => {
  await packaged.init();
  const compressor = new ZstdCompressor(3);
  fc.assert(
    fc.property(binaryValues, (value) => {
      const frame = compressed(compressor, value)!;
      assert.equal(zstdContentSize(frame, 0, frame.length), value.length);
      assert.ok(value.equals(packaged.decompress(frame)));
      const theirs = packaged.compress(value, 5);
      assert.ok(decompressed(compressor, theirs, value.length).equals(value));
      if (native !== undefined) {
        assert.ok(native.zstdDecompressSync(frame).equals(value));
        const fromZlib = native.zstdCompressSync(value, { pledgedSrcSize: value.length });
        assert.ok(decompressed(compressor, fromZlib, value.length).equals(value));
      }
    }),
    { numRuns: 60 },
  );
});

test("zstd refuses levels that are not whole numbers from 1 to 19", () => {
  for (const level of [0, -1, 20, 100, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => new ZstdCompressor(level), ConfigError, `level ${level}`);
  }
});

test("every zstd level from 1 to 19 round-trips, the last in less space than the first", () => {
  const record = sampleRecord(60_000);
  const sizes: number[] = [];
  for (let level = 1; level <= 19; level++) {
    const compressor = new ZstdCompressor(level);
    const frame = compressed(compressor, record)!;
    assert.equal(decompressed(compressor, frame, record.length).toString(), record);
    sizes.push(frame.length);
  }
  assert.ok(sizes.at(-1)! < sizes[0]!);
});

test("a small frame that claims a huge content is refused before its decoder runs", () => {
  const compressor = new ZstdCompressor();
  const frame = compressed(compressor, incompressibleBytes(300, 1))!;
  for (const claimed of [50_000_000, 1_900_000_000, MAX_COMPRESSIBLE_BYTES, MAX_COMPRESSIBLE_BYTES + 1]) {
    const forged = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]), frame.subarray(7)]);
    forged.writeUInt32LE(claimed, 5);
    assert.equal(zstdContentSize(forged, 0, forged.length), claimed);
    const refusal = { name: "CorruptValueError", message: /: a frame of \d+ bytes cannot hold \d+$/ };
    assert.throws(() => decompressed(compressor, forged, claimed), refusal);
  }
});

test("a frame that declares another size than its envelope is refused before its decoder runs", () => {
  const compressor = new ZstdCompressor();
  const frame = compressed(compressor, sampleRecord(500))!;
  const refusal = { name: "CorruptValueError", message: /: the frame holds \d+ bytes of 20$/ };
  assert.throws(() => decompressed(compressor, frame, 20), refusal);
});

test("two frames one after the other are refused, though each is good", () => {
  const compressor = new ZstdCompressor();
  const frame = compressed(compressor, sampleRecord(500))!;
  const twice = Buffer.concat([frame, frame]);
  assert.throws(() => decompressed(compressor, twice, zstdContentSize(frame, 0, frame.length)), CorruptValueError);
});
