import assert from "node:assert/strict";
import { test } from "node:test";
import { encodedStatement } from "../../../../src/backends/postgres/wire/encoded-statement.js";
import { StatementSlab } from "../../../../src/backends/postgres/wire/statement-slab.js";
import { Kind, Request } from "../../../../src/backends/request.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import { crc32 } from "../../../../src/core/crc32.js";

const PREFIX = "state:";
const codec = new Envelope({
  ...{ checksum: "crc32" as const, compressor: undefined, decompressors: [], thresholdBytes: 1024 },
  maxValueBytes: 1 << 20,
});

/** The elements of the bytea arrays that a slab's first statement carries. */
function arraysOf(bytes: Buffer, bindAt: number): Buffer[][] {
  let at = bytes.indexOf(0, bindAt + 6) + 1 + 4;
  const parameters = bytes.readInt16BE(at);
  at += 2;
  return Array.from({ length: parameters }, () => {
    const count = bytes.readInt32BE(at + 16);
    at += 24;
    return Array.from({ length: count }, () => {
      const length = bytes.readInt32BE(at);
      at += 4 + length;
      return bytes.subarray(at - length, at);
    });
  });
}

for (const [what, count, valueBytes] of [
  ["fits", 100, 100],
  ["outgrows its memory half way", 1000, 900],
] as const) {
  test(`a batch of puts that ${what} has each value sealed under its key, and so has the next`, () => {
    const slab = new StatementSlab(codec, PREFIX);
    for (let round = 0; round < 2; round++) {
      const values = Array.from({ length: count }, (_, i) => `${round}:${i}:`.padEnd(valueBytes, "x"));
      const puts = values.map((value, i) => new Request(Kind.put, `key ${i}`, value, 0, undefined, 0, 1000));
      const statement = encodedStatement("SELECT 1");
      slab.reset();
      slab.begin(statement, 2, new Set([statement]));
      slab.keys(puts);
      slab.entryValues(puts);
      slab.execute();
      const [keys, frames] = arraysOf(slab.bytes, 0);
      for (let i = 0; i < count; i++) {
        assert.equal(String(keys![i]), `${PREFIX}key ${i}`);
        const frame = frames![i]!;
        assert.equal(String(codec.decode(frame, 0, frame.length, crc32(keys![i]!))), values[i]);
      }
    }
  });
}
