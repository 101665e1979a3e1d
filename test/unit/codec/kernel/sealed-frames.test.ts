import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Compressor } from "../../../../src/codec/compression/compressor.js";
import { Lz4Compressor } from "../../../../src/codec/compression/lz4.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import { crc32 } from "../../../../src/core/crc32.js";
import { StateError } from "../../../../src/core/errors.js";
import { binaryValues, sampleRecord, textValues } from "../compression/sample-values.js";

const MAX_VALUE_BYTES = 16 * 1024 * 1024;

function envelopeWith(compressor: Compressor): Envelope {
  return new Envelope({
    ...{ checksum: "crc32", compressor, decompressors: [compressor] },
    ...{ thresholdBytes: 100, maxValueBytes: MAX_VALUE_BYTES },
  });
}

/** The same blocks, with header and checksum left to the envelope. */
function stepwise(lz4: Lz4Compressor): Compressor {
  return {
    name: "lz4",
    get lastRawBytes() {
      return lz4.lastRawBytes;
    },
    prepare: () => lz4.prepare(),
    compressInto: (value, target, at, limit) => lz4.compressInto(value, target, at, limit),
    decompress: (source, start, end, rawBytes) => lz4.decompress(source, start, end, rawBytes),
  };
}

const lz4 = new Lz4Compressor("kernel");
const sealing = envelopeWith(lz4);
const plain = envelopeWith(stepwise(new Lz4Compressor("kernel")));
const packaged = envelopeWith(new Lz4Compressor("package"));
const keyChecksums = fc.nat(0xffffffff);

/** What comes of a stored value: its bytes, or the reason they are refused for. */
function outcomeOf(envelope: Envelope, stored: Buffer, keyChecksum: number): string {
  try {
    return `value ${envelope.decode(stored, 0, stored.length, keyChecksum).toString("latin1")}`;
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    return `${error.code} ${error.reason} ${error.message}`;
  }
}

test("a frame sealed in one call has the very bytes of one made step by step", () => {
  fc.assert(
    fc.property(fc.oneof(binaryValues, textValues), keyChecksums, (value, keyChecksum) => {
      const sealed = sealing.encode(keyChecksum, value);
      assert.ok(sealed.equals(plain.encode(keyChecksum, value)));
      const bytes = Buffer.from(value as string);
      for (const envelope of [sealing, plain, packaged]) {
        assert.ok(envelope.decode(sealed, 0, sealed.length, keyChecksum).equals(bytes));
        assert.ok(envelope.decodeOwned(Buffer.from(sealed), 0, sealed.length, keyChecksum).equals(bytes));
      }
      const foreign = packaged.encode(keyChecksum, value);
      assert.ok(sealing.decode(foreign, 0, foreign.length, keyChecksum).equals(bytes));
    }),
    { numRuns: 200 },
  );
  assert.deepEqual(
    [sealing.statistics.bytesBeforeCompression, sealing.statistics.bytesAfterCompression],
    [plain.statistics.bytesBeforeCompression, plain.statistics.bytesAfterCompression],
  );
});

test("a frame opened in one call comes from the middle of a slab and leaves as bytes of its own", () => {
  const record = sampleRecord(1500);
  const slab = Buffer.alloc(9000, 0xc1);
  const end = sealing.encodeInto(slab, 1001, 7, record);
  const value = sealing.decode(slab, 1001, end, 7);
  slab.fill(0);
  const next = sealing.encode(8, sampleRecord(1500, 2));
  sealing.decode(next, 0, next.length, 8);
  assert.equal(value.toString(), record);
});

test("a sealed frame writes nothing at or past its limit", () => {
  const record = sampleRecord(1500);
  const bodyBytes = sealing.encode(1, record).length - 12;
  for (const limit of [1, bodyBytes - 1, bodyBytes, bodyBytes + 1]) {
    const slab = Buffer.alloc(3000, 0xa5);
    const end = lz4.sealInto(record, slab, 10, limit, 1);
    assert.equal(end, limit > bodyBytes ? 10 + 12 + bodyBytes : -1);
    assert.ok(slab.subarray(10 + 12 + limit).every((byte) => byte === 0xa5));
    assert.ok(slab.subarray(0, 10).every((byte) => byte === 0xa5));
    assert.equal(lz4.lastRawBytes, record.length);
  }
});

test("whatever is wrong with a frame, the short way and the long way say the same", () => {
  const frames = [200, 1000, 1600, 12_000].map((bytes) => sealing.encode(bytes, sampleRecord(bytes)));
  fc.assert(
    fc.property(
      fc.nat(3),
      fc.array(fc.tuple(fc.oneof(fc.nat(13), fc.nat(12_000)), fc.nat(255)), { maxLength: 3 }),
      fc.oneof(fc.constant(0), fc.nat(20), fc.nat(12_000)),
      fc.boolean(),
      (which, damage, cut, isRightKey) => {
        const frame = frames[which]!;
        const stored = Buffer.from(frame.subarray(0, Math.max(0, frame.length - cut)));
        for (const [at, byte] of damage) if (stored.length > 0) stored[at % stored.length] = byte;
        const keyChecksum = [200, 1000, 1600, 12_000][which]! + (isRightKey ? 0 : 1);
        assert.equal(outcomeOf(sealing, stored, keyChecksum), outcomeOf(plain, stored, keyChecksum));
      },
    ),
    { numRuns: 4000 },
  );
});

test("a right checksum around a wrong length or body is refused, and the next frame is read", () => {
  const record = sampleRecord(1000);
  const good = sealing.encode(3, record);
  const forge = (change: (frame: Buffer) => void): Buffer => {
    const frame = Buffer.from(good);
    change(frame);
    frame.writeUInt32LE(crc32(frame, 6, frame.length, 3), 2);
    return frame;
  };
  const forgeries = [
    forge((frame) => frame.writeUInt32LE(record.length + 1, 8)),
    forge((frame) => frame.writeUInt32LE(record.length - 1, 8)),
    forge((frame) => frame.writeUInt32LE(0, 8)),
    forge((frame) => frame.writeUInt32LE(2_000_000_000, 8)),
    forge((frame) => frame.fill(0xff, 12)),
  ];
  for (const frame of forgeries) {
    assert.match(outcomeOf(sealing, frame, 3), /^CORRUPT_VALUE/);
    assert.equal(sealing.decode(good, 0, good.length, 3).toString(), record);
  }
});
