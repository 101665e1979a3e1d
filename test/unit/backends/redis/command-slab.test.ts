import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { CommandSlab } from "../../../../src/backends/redis/wire/command-slab.js";
import { openCompressor } from "../../../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import { SEALING_REGION_BYTES, SealingRegion } from "../../../../src/codec/kernel/sealing-region.js";
import { canonicalKeyOfBytes } from "../../../../src/core/key.js";
import type { Value } from "../../../../src/core/value.js";

type Entry = readonly [key: string, value: Value];

const PREFIX = "state:";

function envelope(checksum: "crc32" | "none" = "crc32"): Envelope {
  const lz4 = openCompressor("lz4", undefined);
  return new Envelope({
    ...{ checksum, compressor: lz4, thresholdBytes: 1024, decompressors: [lz4], maxValueBytes: 1 << 24 },
  });
}

/** Made before all others, which take what memory there is for sealing together. */
const sealing = new CommandSlab(envelope(), PREFIX);

function fresh(): CommandSlab {
  sealing.reset();
  return sealing;
}

/** What the slab holds when every checksum is made as its value is written. */
function oneByOne(entries: readonly Entry[], codec = envelope()): Buffer {
  const slab = new CommandSlab(codec, PREFIX);
  for (const [key, value] of entries) {
    slab.key(key, key.length);
    slab.value(value);
  }
  return Buffer.from(slab.bytes.subarray(0, slab.length));
}

function together(slab: CommandSlab, entries: readonly Entry[]): Buffer {
  for (const [key, value] of entries) {
    slab.entryKey(key, key.length);
    slab.entryValue(value);
  }
  slab.seal();
  return Buffer.from(slab.bytes.subarray(0, slab.length));
}

const keys = fc.oneof(
  fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" }),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map(canonicalKeyOfBytes),
);
const values: fc.Arbitrary<Value> = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ maxLength: 60, unit: "grapheme" }),
  fc.uint8Array({ maxLength: 300 }),
  fc.integer({ min: 900, max: 3000 }).map((length) => "compressible ".repeat(300).slice(0, length)),
  fc.uint8Array({ minLength: 1000, maxLength: 2500 }).map((bytes) => Buffer.from(bytes)),
);

describe("entries whose checksums are made together", () => {
  test("are the same bytes as those made one by one, whatever keys and values, batch after batch", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, values), { maxLength: 40 }), (entries) => {
        assert.deepEqual(together(fresh(), entries), oneByOne(entries));
      }),
      { numRuns: 300 },
    );
  });

  test("may be more than there is room for notes", () => {
    const entries = Array.from({ length: 3000 }, (_, index): Entry => [`key-${index}`, `value ${index * 7}`]);
    assert.deepEqual(together(fresh(), entries), oneByOne(entries));
  });

  test("may outgrow the memory they were begun in, and the next batch is in it again", () => {
    const slab = fresh();
    const home = slab.bytes;
    assert.notEqual(home.byteOffset, 0);
    const many = Array.from({ length: 800 }, (_, index): Entry => [`key-${index}`, Buffer.alloc(900, index)]);
    assert.deepEqual(together(slab, many), oneByOne(many));
    assert.ok(slab.length > SEALING_REGION_BYTES);
    slab.reset();
    assert.equal(slab.bytes.byteOffset, home.byteOffset);
    assert.deepEqual(together(slab, many.slice(0, 3)), oneByOne(many.slice(0, 3)));
  });

  test("of a batch that was not encoded to its end leave nothing behind for the next", () => {
    const slab = fresh();
    slab.entryKey("abandoned", 9);
    slab.entryValue("never sealed");
    slab.reset();
    const text = "y".repeat(500);
    assert.deepEqual(together(slab, [["k", text]]), oneByOne([["k", text]]));
  });

  test("carry none where checksums are off", () => {
    const entries: Entry[] = [["a", "plain"]];
    const codec = envelope("none");
    assert.deepEqual(together(new CommandSlab(codec, PREFIX), entries), oneByOne(entries, codec));
  });

  test("are made one by one once all the memory for that is taken", () => {
    const taken: SealingRegion[] = [];
    for (let region = SealingRegion.take(0); region !== undefined; region = SealingRegion.take(0)) taken.push(region);
    const slab = new CommandSlab(envelope(), PREFIX);
    assert.equal(slab.bytes.byteOffset, 0);
    const entries: Entry[] = [
      ["a", "1"],
      ["b", Buffer.from("2")],
    ];
    assert.deepEqual(together(slab, entries), oneByOne(entries));
  });
});
