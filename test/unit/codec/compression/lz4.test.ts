import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Lz4Compressor } from "../../../../src/codec/compression/lz4.js";
import { CorruptValueError } from "../../../../src/core/errors.js";
import { compressed, decompressed, describeCompressor } from "./compressor-suite.js";
import { referenceLz4Decode } from "./reference-lz4.js";
import { binaryValues, sampleRecord } from "./sample-values.js";

for (const from of ["kernel", "package"] as const) {
  describe(`lz4 of the ${from}`, () => describeCompressor(new Lz4Compressor(from)));
}

test("lz4 runs on the engine's own kernel in every runtime that is supported", () => {
  assert.notEqual(new Lz4Compressor().sealer(), undefined);
  assert.equal(new Lz4Compressor("package").sealer(), undefined);
});

test("lz4 of the kernel and lz4-wasm read what the other writes", () => {
  const [kernel, packaged] = [new Lz4Compressor("kernel"), new Lz4Compressor("package")];
  fc.assert(
    fc.property(binaryValues, (value) => {
      assert.ok(decompressed(packaged, compressed(kernel, value)!, value.length).equals(value));
      assert.ok(decompressed(kernel, compressed(packaged, value)!, value.length).equals(value));
    }),
    { numRuns: 150 },
  );
});

test("what lz4 writes is a plain LZ4 block that a reader made from the specification understands", () => {
  const compressor = new Lz4Compressor();
  fc.assert(
    fc.property(binaryValues, (value) => {
      assert.ok(referenceLz4Decode(compressed(compressor, value)!).equals(value));
    }),
    { numRuns: 60 },
  );
});

test("lz4 reads a block written by hand", () => {
  // Six literals "abcabc", then nine more bytes from three back, then five literals as every block ends.
  const block = Buffer.concat([
    Buffer.from([0x65]),
    Buffer.from("abcabc"),
    Buffer.from([3, 0, 0x50]),
    Buffer.from("Final"),
  ]);
  assert.equal(decompressed(new Lz4Compressor(), block, 20).toString(), "abcabcabcabcabcFinal");
});

test("lz4 refuses a length no block of that size can have before its decoder runs", () => {
  for (const claimed of [31 * 255 + 1, 60_000_000, 3_000_000_000]) {
    assert.throws(() => decompressed(new Lz4Compressor(), Buffer.alloc(31, 1), claimed), {
      name: "CorruptValueError",
      message: `lz4 body is damaged: a block of 31 bytes cannot hold ${claimed}`,
    });
  }
});

test("lz4 replaces its instance after each of many damaged bodies and keeps working", () => {
  const compressor = new Lz4Compressor();
  const record = sampleRecord(1000);
  const body = compressed(compressor, record)!;
  for (let round = 0; round < 200; round++) {
    assert.throws(() => decompressed(compressor, body.subarray(0, 1 + (round % 40)), record.length), CorruptValueError);
    assert.equal(decompressed(compressor, body, record.length).toString(), record);
  }
});
