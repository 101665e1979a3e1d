import assert from "node:assert/strict";
import { test } from "node:test";
import { swallowsReplies } from "../../../../src/backends/redis/wire/swallowed-replies.js";
import { openCompressor } from "../../../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import type { ValueCodec } from "../../../../src/codec/value-codec.js";

const compressor = openCompressor("lz4", undefined);
const codec = new Envelope({
  ...{ checksum: "crc32", compressor, thresholdBytes: 1024, decompressors: [compressor], maxValueBytes: 1 << 20 },
});

test("a value and the replies behind it are told from a value that was damaged", () => {
  for (const text of ["", "short", "of\r\n- two lines", "compressible ".repeat(200)]) {
    const stored = codec.encode(7, text);
    for (const replies of ["\r\n_", "\r\n$-1\r\n:1", "\r\n$3\r\nabc\r\n+OK"]) {
      const taken = Buffer.concat([stored, Buffer.from(replies)]);
      assert.ok(swallowsReplies(codec, taken, 0, taken.length, 7), text);
      assert.ok(!swallowsReplies(codec, taken, 0, taken.length, 8), "it is of another key");
      taken[7 + 1] = taken[7 + 1]! ^ 1;
      assert.ok(!swallowsReplies(codec, taken, 0, taken.length, 7), "it is damaged as well");
    }
    assert.ok(!swallowsReplies(codec, stored, 0, stored.length, 7), "it is whole");
  }
});

test("a value of very many lines is looked through once, up to its last thousand lines", () => {
  const asked: (readonly number[])[] = [];
  const asking = {
    isSealedAt: (_source: Buffer, _start: number, ends: readonly number[]) => {
      asked.push(ends);
      return false;
    },
  } as Partial<ValueCodec> as ValueCodec;
  const value = Buffer.from("\r\n- item".repeat(5000));
  assert.ok(!swallowsReplies(asking, value, 0, value.length, 7));
  assert.equal(asked.length, 1);
  assert.deepEqual([asked[0]!.length, asked[0]!.at(-1)], [1024, value.length - "\r\n- item".length]);
  assert.ok(asked[0]!.every((end, index) => index === 0 || end > asked[0]![index - 1]!));
});
