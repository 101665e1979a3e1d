import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CompressorName } from "../../../src/codec/compression/compressor.js";
import { openCompressor } from "../../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../../src/codec/envelope.js";
import { incompressibleBytes, sampleRecord } from "./compression/sample-values.js";

/** Characters of three bytes, of which zstd stores each in more than one: more bytes than the text has UTF-16 units. */
function chineseText(units: number, seed: number): string {
  const choices = incompressibleBytes(units * 2, seed);
  return Array.from({ length: units }, (_, at) => {
    return String.fromCharCode(0x4e00 + (choices.readUInt16LE(at * 2) % 800));
  }).join("");
}

function envelopeOf(name: CompressorName, checksum: "crc32" | "none"): Envelope {
  const compressor = openCompressor(name);
  return new Envelope({
    ...{ checksum, compressor, thresholdBytes: 64, decompressors: [compressor], maxValueBytes: 1 << 24 },
  });
}

const texts = fc.oneof(
  fc.tuple(fc.integer({ min: 64, max: 3000 }), fc.nat(1000)).map(([units, seed]) => chineseText(units, seed)),
  fc.tuple(fc.integer({ min: 64, max: 3000 }), fc.nat(1000)).map(([bytes, seed]) => sampleRecord(bytes, seed)),
  fc.tuple(fc.nat(3000), fc.nat(1000)).map(([bytes, seed]) => incompressibleBytes(bytes, seed).toString("latin1")),
  fc.tuple(fc.nat(3000), fc.nat(1000)).map(([bytes, seed]) => incompressibleBytes(bytes, seed).toString("base64")),
  fc.string({ unit: "binary", maxLength: 300 }),
);

for (const name of ["lz4", "zstd", "snappy"] as const) {
  test(`text is stored as its UTF-8 bytes would be, compressed by ${name} exactly where those are`, () => {
    for (const checksum of ["crc32", "none"] as const) {
      const envelope = envelopeOf(name, checksum);
      fc.assert(
        fc.property(texts, (text) => {
          const bytes = Buffer.from(text);
          // Between the thresholds of units and of bytes the two may differ.
          fc.pre(text.length >= 64);
          const stored = envelope.encode(7, bytes);
          assert.ok(envelope.encode(7, text).equals(stored));
          const slab = Buffer.alloc(envelope.maxEncodedBytes(text) + 20, 0xa5);
          const end = envelope.encodeInto(slab, 10, 7, text);
          assert.ok(slab.subarray(10, end).equals(stored));
          assert.ok(slab.subarray(slab.length - 10).every((byte) => byte === 0xa5));
        }),
        { numRuns: 150 },
      );
    }
  });
}

test("text of three-byte characters is compressed where that saves bytes, though not as many as it has units", () => {
  const envelope = envelopeOf("zstd", "crc32");
  const text = chineseText(1600, 1);
  const stored = envelope.encode(7, text);
  assert.ok(stored.length > text.length && stored.length < text.length * 2, `${stored.length}`);
  assert.equal(envelope.statistics.bytesBeforeCompression, text.length * 3);
});
