import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CorruptValueError, StateError, UnsupportedOperationError } from "../../../src/core/errors.js";
import { valueToBuffer } from "../../../src/core/value.js";
import type { CodecPool } from "../../../src/workers/codec-pool.js";
import { openEnvelope } from "../../../src/workers/open-envelope.js";
import { checksumsFor, codecSettings, framesOf, openCodecPool } from "../../support/codec-pool-scope.js";
import { binaryValues, incompressibleBytes, sampleRecord, textValues } from "../codec/compression/sample-values.js";

function fellBack(pool: CodecPool): { lost: number; doneInline: number } {
  const { lost, doneInline } = pool.describe().jobs as { lost: number; doneInline: number };
  return { lost, doneInline };
}

const CODECS = ["none", "lz4", "zstd", "snappy"] as const;

for (const codec of CODECS) {
  test(`threads give byte for byte what ${codec} gives inline, in the same order`, async (t) => {
    const pool = openCodecPool(t, { codec, threads: 2 });
    const inline = openEnvelope({ ...codecSettings, codec });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(binaryValues, textValues), { maxLength: 12 }), async (values) => {
        const checksums = checksumsFor(values);
        const frames = await framesOf(pool, values);
        assert.equal(frames.length, values.length);
        for (const [index, value] of values.entries()) {
          assert.ok(frames[index]!.equals(inline.encode(checksums[index]!, valueToBuffer(value))));
        }
        const decoded = await pool.decode(frames, checksums);
        for (const [index, value] of values.entries()) {
          assert.ok(valueToBuffer(value).equals(decoded[index] as Buffer));
        }
      }),
      { numRuns: 15 },
    );
    assert.deepEqual(fellBack(pool), { lost: 0, doneInline: 0 });
  });
}

test("values of up to 300 KiB come back whole, large and small ones mixed", async (t) => {
  const pool = openCodecPool(t, { codec: "snappy" });
  const values = [0, 1, 16_383, 16_384, 65_536, 300 * 1024, 10, 200_000].map((bytes, seed) =>
    bytes % 2 === 0 ? Buffer.alloc(bytes, sampleRecord(1000, seed)) : incompressibleBytes(bytes, seed),
  );
  const checksums = checksumsFor(values);
  const decoded = await pool.decode(await framesOf(pool, values), checksums);
  for (const [index, value] of values.entries()) assert.ok(value.equals(decoded[index] as Buffer));
});

test("a batch that is too large to be packed in one turn comes back whole, with no more jobs at once than are at work", async (t) => {
  const pool = openCodecPool(t);
  const values = Array.from({ length: 48 }, (_, seed) => Buffer.alloc(256 * 1024, sampleRecord(1000, seed)));
  const checksums = checksumsFor(values);
  let mostUnderWay = 0;
  const watch = setInterval(() => {
    mostUnderWay = Math.max(mostUnderWay, (pool.describe().jobs as { underWay: number }).underWay);
  }, 1);
  t.after(() => clearInterval(watch));
  const decoded = await pool.decode(await framesOf(pool, values), checksums);
  for (const [index, value] of values.entries()) assert.ok(value.equals(decoded[index] as Buffer));
  assert.ok((pool.describe().jobs as { jobs: number }).jobs > 12);
  assert.ok(mostUnderWay > 0 && mostUnderWay <= 2, `${mostUnderWay}`);
  assert.deepEqual(fellBack(pool), { lost: 0, doneInline: 0 });
});

test("decoded values of one batch do not share more memory than a block", async (t) => {
  const pool = openCodecPool(t);
  const values = Array.from({ length: 400 }, (_, seed) => sampleRecord(1024, seed));
  const decoded = await pool.decode(await framesOf(pool, values), checksumsFor(values));
  for (const value of decoded) assert.ok((value as Buffer).buffer.byteLength <= 64 * 1024);
  assert.deepEqual(fellBack(pool), { lost: 0, doneInline: 0 });
});

test("damaged values give the same errors as inline, each in its place", async (t) => {
  const pool = openCodecPool(t);
  const inline = openEnvelope(codecSettings);
  const intact = inline.encode(1, sampleRecord(2000));
  const damaged = Buffer.from(intact);
  damaged[30]! ^= 1;
  const newer = Buffer.from(intact);
  newer[6] = 0x9f;
  const unknownCodec = openEnvelope({ ...codecSettings, checksum: "none" }).encode(1, sampleRecord(2000));
  unknownCodec[6] = 0x1f;
  const oversize = Buffer.alloc(17 * 1024 * 1024, 1);
  const stored = [damaged, intact, newer, unknownCodec, intact.subarray(0, 7), oversize, Buffer.from("foreign")];
  const results = await pool.decode(stored, new Uint32Array(stored.length).fill(1));
  for (const [index, bytes] of stored.entries()) {
    const result = results[index];
    let expected: unknown;
    try {
      expected = inline.decode(bytes, 0, bytes.length, 1);
    } catch (error) {
      expected = error;
    }
    if (!(expected instanceof StateError)) {
      assert.deepEqual(result, expected);
      continue;
    }
    assert.ok(result instanceof StateError);
    assert.deepEqual(
      [result.constructor, result.code, result.reason, result.message],
      [expected.constructor, expected.code, expected.reason, expected.message],
    );
  }
  assert.ok(results[0] instanceof CorruptValueError);
  assert.ok(results[3] instanceof UnsupportedOperationError);
  assert.deepEqual(fellBack(pool), { lost: 0, doneInline: 0 });
});

test("a value read under another key than it was written for is refused", async (t) => {
  const pool = openCodecPool(t);
  const frames = await framesOf(pool, [sampleRecord(500)], Uint32Array.of(1));
  const [value] = await pool.decode(frames, Uint32Array.of(2));
  assert.ok(value instanceof CorruptValueError);
});

test("the bytes a caller gives stay his: nothing is detached or changed", async (t) => {
  const pool = openCodecPool(t);
  const value = Buffer.from(sampleRecord(5000));
  const neighbour = Buffer.from("in the same pool of small buffers");
  const before = Buffer.from(value);
  await pool.encode([value, neighbour], Uint32Array.of(1, 2));
  assert.ok(value.equals(before));
  assert.equal(neighbour.toString(), "in the same pool of small buffers");
});

test("batches beyond what the threads may queue are done here, and all come back right", async (t) => {
  const pool = openCodecPool(t, { codec: "zstd", threads: 2 });
  const batches = Array.from({ length: 200 }, (_, batch) =>
    Array.from({ length: (batch % 7) + 1 }, (_, index) => sampleRecord(200 + index, batch * 10 + index)),
  );
  await Promise.all(
    batches.map(async (values) => {
      const checksums = checksumsFor(values);
      const decoded = await pool.decode(await framesOf(pool, values), checksums);
      assert.deepEqual(decoded.map(String), values);
    }),
  );
  assert.equal(fellBack(pool).lost, 0);
  assert.ok(fellBack(pool).doneInline > 0);
});

test("an empty batch is an empty result", async (t) => {
  const pool = openCodecPool(t);
  assert.deepEqual(await pool.encode([], new Uint32Array(0)), []);
  assert.deepEqual(await pool.decode([], new Uint32Array(0)), []);
});

for (const [name, options] of [
  ["without threads", { threads: 0 }],
  ["told never to offload", { offload: "never" }],
] as const) {
  test(`${name}, everything is done on the calling thread and none is started`, async (t) => {
    const pool = openCodecPool(t, options);
    assert.equal(pool.worthOffloading("encode", 1000, 1e9), false);
    const values = [sampleRecord(3000), "short"];
    const frames = await framesOf(pool, values);
    const decoded = await pool.decode(frames, checksumsFor(values));
    assert.deepEqual(decoded.map(String), values);
    assert.deepEqual([pool.describe().state, pool.describe().threadsAlive], ["inline", 0]);
  });
}

test("no thread is started before there is work for it", async (t) => {
  const pool = openCodecPool(t, { offload: "auto" });
  assert.equal(pool.describe().state, "idle");
  for (let batch = 0; batch < 100; batch++) assert.equal(pool.worthOffloading("encode", 1, 100), false);
  assert.equal(pool.describe().state, "idle");
  assert.equal(pool.worthOffloading("encode", 1000, 100_000_000), false);
  assert.equal(pool.describe().state, "starting");
});

test("with codec none no write is offloaded, whatever it weighs", (t) => {
  const pool = openCodecPool(t, { codec: "none" });
  assert.equal(pool.worthOffloading("encode", 1000, 1e9), false);
  assert.equal(pool.worthOffloading("decode", 1000, 1e9), true);
});

test("statistics count what the threads compressed", async (t) => {
  const pool = openCodecPool(t);
  const value = sampleRecord(4000);
  const [frame] = await pool.encode([value], Uint32Array.of(1));
  assert.equal(pool.statistics.bytesBeforeCompression, Buffer.byteLength(value));
  assert.ok(pool.statistics.bytesAfterCompression > 0 && pool.statistics.bytesAfterCompression < frame!.length);
});

test("close waits for the work under way, and later work is done on the calling thread", async (t) => {
  const pool = openCodecPool(t, { codec: "zstd" });
  await pool.encode(["starts the threads"], Uint32Array.of(1));
  const values = Array.from({ length: 100 }, (_, seed) => sampleRecord(5000, seed));
  const underWay = Array.from({ length: 20 }, () => pool.encode(values, checksumsFor(values)));
  await Promise.all([pool.close(), pool.close()]);
  const encoded = await Promise.all(underWay);
  assert.deepEqual(fellBack(pool), { lost: 0, doneInline: 0 });
  const inline = openEnvelope({ ...codecSettings, codec: "zstd" });
  for (const frames of encoded) {
    assert.ok(frames[99]!.equals(inline.encode(checksumsFor(values)[99]!, values[99]!)));
  }
  assert.equal(pool.worthOffloading("encode", 1000, 1e9), false);
  const [late] = await pool.encode([values[0]!], Uint32Array.of(1));
  assert.ok(late!.equals(inline.encode(1, values[0]!)));
  assert.equal(pool.describe().state, "closed");
});

test("close while the threads start leaves nobody waiting", async (t) => {
  const pool = openCodecPool(t);
  const underWay = pool.encode([sampleRecord(3000)], Uint32Array.of(1));
  await pool.close();
  const [frame] = await underWay;
  assert.ok(frame!.equals(openEnvelope(codecSettings).encode(1, sampleRecord(3000))));
});
