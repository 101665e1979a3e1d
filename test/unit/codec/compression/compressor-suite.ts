import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Compressor, MAX_COMPRESSIBLE_BYTES } from "../../../../src/codec/compression/compressor.js";
import { CorruptValueError } from "../../../../src/core/errors.js";
import type { Value } from "../../../../src/core/value.js";
import { binaryValues, incompressibleBytes, sampleRecord, textValues } from "./sample-values.js";

const SLAB_LEAD_BYTES = 7;

/** The compressed form as the engine would make it, in the middle of a slab; undefined when it does not fit. */
export function compressed(compressor: Compressor, value: Value, limit = 1 << 20): Buffer | undefined {
  const slab = Buffer.alloc(SLAB_LEAD_BYTES + limit + 64, 0xa5);
  const end = compressor.compressInto(value, slab, SLAB_LEAD_BYTES, limit);
  const written = end < 0 ? SLAB_LEAD_BYTES : end;
  const isUntouched = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0xa5);
  assert.ok(isUntouched(slab.subarray(0, SLAB_LEAD_BYTES)), "wrote before its place");
  assert.ok(isUntouched(slab.subarray(SLAB_LEAD_BYTES + limit)), "wrote past its limit");
  return end < 0 ? undefined : Buffer.from(slab.subarray(SLAB_LEAD_BYTES, written));
}

/** Decodes from the middle of a larger buffer, so that reading outside [start, end) would show. */
export function decompressed(compressor: Compressor, body: Uint8Array, rawBytes: number): Buffer {
  const source = Buffer.concat([Buffer.alloc(SLAB_LEAD_BYTES, 0x11), body, Buffer.alloc(16, 0x11)]);
  return compressor.decompress(source, SLAB_LEAD_BYTES, SLAB_LEAD_BYTES + body.length, rawBytes);
}

/** What every compressor promises, whatever its format. */
export function describeCompressor(compressor: Compressor): void {
  const { name } = compressor;
  const isCorruptValue = (error: unknown): boolean =>
    error instanceof CorruptValueError && error.reason === "ERR_CORRUPT_VALUE";
  const decompressOrRefuse = (body: Uint8Array, rawBytes: number): void => {
    try {
      assert.equal(decompressed(compressor, body, rawBytes).length, rawBytes);
    } catch (error) {
      if (!isCorruptValue(error)) throw error;
    }
  };
  const assertStillWorks = (): void => {
    const record = sampleRecord(2000);
    assert.equal(decompressed(compressor, compressed(compressor, record)!, record.length).toString(), record);
  };

  test(`${name} gives back any bytes it compressed`, () => {
    fc.assert(
      fc.property(binaryValues, (value) => {
        const body = compressed(compressor, value)!;
        assert.equal(compressor.lastRawBytes, value.length);
        assert.ok(decompressed(compressor, body, value.length).equals(value));
      }),
      { numRuns: 150 },
    );
  });

  test(`${name} gives back the UTF-8 bytes of any string and counts them`, () => {
    fc.assert(
      fc.property(textValues, (text) => {
        const bytes = Buffer.from(text, "utf8");
        const body = compressed(compressor, text)!;
        assert.equal(compressor.lastRawBytes, bytes.length);
        assert.ok(decompressed(compressor, body, bytes.length).equals(bytes));
      }),
      { numRuns: 60 },
    );
  });

  test(`${name} makes records smaller and refuses what would not be`, () => {
    const record = sampleRecord(1024);
    assert.ok(compressed(compressor, record, record.length)!.length < record.length * 0.7);
    const noise = incompressibleBytes(5000, 3);
    assert.equal(compressed(compressor, noise, noise.length), undefined);
    assert.equal(compressor.lastRawBytes, noise.length);
  });

  test(`${name} treats its limit as the first size that is too large`, () => {
    const record = sampleRecord(3000);
    const size = compressed(compressor, record)!.length;
    assert.equal(compressed(compressor, record, size), undefined);
    assert.equal(compressed(compressor, record, size + 1)!.length, size);
  });

  test(`${name} returns bytes that later calls do not change`, () => {
    const first = sampleRecord(6000, 1);
    const kept = decompressed(compressor, compressed(compressor, first)!, first.length);
    const second = sampleRecord(6000, 2);
    decompressed(compressor, compressed(compressor, second)!, second.length);
    assert.equal(kept.toString(), first);
  });

  test(`${name} refuses or outlives a body cut anywhere`, () => {
    for (const value of [sampleRecord(300), sampleRecord(1500), "a".repeat(500)]) {
      const body = compressed(compressor, value)!;
      for (let length = 0; length < body.length; length++) decompressOrRefuse(body.subarray(0, length), value.length);
      assert.throws(() => decompressed(compressor, body.subarray(0, body.length >> 1), value.length), isCorruptValue);
    }
    assertStillWorks();
  });

  test(`${name} refuses an empty body whatever length is claimed for it`, () => {
    for (const rawBytes of [0, 1, 1024]) {
      assert.throws(() => decompressed(compressor, Buffer.alloc(0), rawBytes), isCorruptValue);
    }
  });

  test(`${name} refuses or outlives any single flipped bit`, () => {
    for (const value of [sampleRecord(200), "ab".repeat(300)]) {
      const body = compressed(compressor, value)!;
      for (let bit = 0; bit < body.length * 8; bit++) {
        const damaged = Buffer.from(body);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        decompressOrRefuse(damaged, value.length);
      }
    }
    assertStillWorks();
  });

  test(`${name} refuses a good body under a wrong length`, () => {
    const record = sampleRecord(1000);
    const body = compressed(compressor, record)!;
    for (const rawBytes of [0, 1, record.length - 1, record.length + 1, 2 * record.length, 2 ** 31, 2 ** 32 - 1]) {
      assert.throws(() => decompressed(compressor, body, rawBytes), isCorruptValue, `claimed ${rawBytes}`);
    }
    assertStillWorks();
  });

  test(`${name} refuses or outlives arbitrary bytes as a body`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5000), (body, rawBytes) =>
        decompressOrRefuse(body, rawBytes),
      ),
      { numRuns: 2000 },
    );
    assertStillWorks();
  });

  test(`${name} takes a value of several megabytes and goes on with small ones`, () => {
    const large = Buffer.alloc(24 * 1024 * 1024, sampleRecord(40_000));
    const body = compressed(compressor, large, large.length)!;
    assert.ok(decompressed(compressor, body, large.length).equals(large));
    assertStillWorks();
  });

  test(`${name} leaves a value beyond the cap as it is, measures it, and goes on with others`, () => {
    const target = Buffer.alloc(64);
    for (const value of [Buffer.alloc(MAX_COMPRESSIBLE_BYTES + 1), "é".repeat(MAX_COMPRESSIBLE_BYTES / 2 + 1)]) {
      assert.equal(compressor.compressInto(value, target, 0, target.length), -1);
      assert.equal(compressor.lastRawBytes, Buffer.byteLength(value));
    }
    assertStillWorks();
  });

  test(`${name} has no use for a value of cap size that it cannot fit, yet survives it`, () => {
    const target = Buffer.alloc(64);
    const value = Buffer.alloc(MAX_COMPRESSIBLE_BYTES, 0x20);
    assert.equal(compressor.compressInto(value, target, 0, target.length), -1);
    assert.equal(compressor.lastRawBytes, value.length);
    assertStillWorks();
  });

  test(`${name} outlives its caller running out of stack at any point of a call`, () => {
    const record = sampleRecord(300);
    const body = compressed(compressor, record)!;
    const target = Buffer.alloc(1024);
    const dive = (): void => {
      compressor.compressInto(record, target, 0, target.length);
      compressor.decompress(body, 0, body.length, record.length);
      dive();
    };
    const startDeeper = (frames: number): void => (frames === 0 ? dive() : startDeeper(frames - 1));
    for (let frames = 0; frames < 8; frames++) {
      assert.throws(() => startDeeper(frames), RangeError);
      assertStillWorks();
    }
  });
}
