import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ReadSlab } from "../../../../src/backends/read-slab.js";
import { encodeBatch } from "../../../../src/backends/redis/wire/batch-encoder.js";
import { BatchReader } from "../../../../src/backends/redis/wire/batch-reader.js";
import { CommandSlab } from "../../../../src/backends/redis/wire/command-slab.js";
import { ReplyParser } from "../../../../src/backends/redis/wire/reply-parser.js";
import { Kind, Request } from "../../../../src/backends/request.js";
import { openCompressor } from "../../../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import { ScanningRegion } from "../../../../src/codec/kernel/scanning-region.js";
import { crc32 } from "../../../../src/core/crc32.js";
import { collectingBatch } from "../../../support/collecting-batch.js";

type Stored = { readonly bytes: Buffer | null; readonly expected: string | null };

const PREFIX = "state:";
const MAX_VALUE_BYTES = 1 << 20;
const lz4 = openCompressor("lz4", undefined);
const codec = new Envelope({
  ...{ checksum: "crc32" as const, compressor: lz4, thresholdBytes: 1024, decompressors: [lz4] },
  maxValueBytes: MAX_VALUE_BYTES,
});
/** Made before the test that leaves none of that memory. */
const scanning = new ReadSlab();

const keyOf = (index: number): string => `key-${index}`;
const checksumOf = (index: number): number => crc32(Buffer.from(PREFIX + keyOf(index)));

const kinds: fc.Arbitrary<(index: number) => Stored> = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 300, unit: "grapheme" }).map(framed) },
  { weight: 1, arbitrary: fc.integer({ min: 1000, max: 1040 }).map((length) => framed("v".repeat(length))) },
  { weight: 1, arbitrary: fc.constant((): Stored => ({ bytes: null, expected: null })) },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }).map((text) => () => foreign(text)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }).map((text) => () => ({ ...foreign(text), ...wrongKey(text) })) },
);

function framed(text: string): (index: number) => Stored {
  return (index) => ({ bytes: codec.encode(checksumOf(index), text), expected: text });
}

function foreign(text: string): Stored {
  return { bytes: Buffer.from(text), expected: text };
}

function wrongKey(text: string): Stored {
  return { bytes: codec.encode(checksumOf(-1), text), expected: "CORRUPT_VALUE" };
}

function replyOf(values: readonly Stored[], nullText: string): Buffer {
  const parts: Buffer[] = [];
  for (const [index, { bytes }] of values.entries()) {
    if (index % 128 === 0) parts.push(Buffer.from(`*${Math.min(128, values.length - index)}\r\n`));
    if (bytes === null) parts.push(Buffer.from(nullText));
    else parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}

/** What the readers of so many keys get, if the reply arrives in pieces of these lengths. */
function read(slab: ReadSlab, count: number, reply: Buffer, cuts: readonly number[]): (string | null)[] {
  const results: (string | null)[] = [];
  const take = (leader: Request, result: string | null): void => {
    results[Number(leader.key.slice(4))] = result;
  };
  const batch = collectingBatch(take);
  for (let index = 0; index < count; index++) {
    batch.reads.push(new Request(Kind.get, keyOf(index), undefined, 0, undefined, 0, 1000));
  }
  const encoded = encodeBatch(new CommandSlab(codec, PREFIX), batch, false, false);
  const reader = new BatchReader(encoded, {
    ...{ codec, parser: new ReplyParser(MAX_VALUE_BYTES), keyPrefix: Buffer.from(PREFIX) },
    ...{
      maxValueBytes: MAX_VALUE_BYTES,
      maxBulkBytes: MAX_VALUE_BYTES * 2,
      place: { isDoubtful: false },
      onError: () => {},
    },
    isAnotherDue: () => false,
    swapAgain: () => assert.fail("nothing is swapped"),
  });
  let at = 0;
  let cut = 0;
  let isDone = false;
  while (at < reply.length) {
    const end = Math.min(reply.length, at + (cuts.length === 0 ? reply.length : cuts[cut++ % cuts.length]!));
    slab.append(reply.subarray(at, end));
    at = end;
    isDone = reader.consume(slab);
  }
  assert.equal(isDone, true);
  assert.equal(slab.start, slab.end);
  return results;
}

function holds(slab: () => ReadSlab): void {
  fc.assert(
    fc.property(
      fc.array(kinds, { minLength: 1, maxLength: 150 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 8 }),
      fc.constantFrom("$-1\r\n", "_\r\n"),
      (make, cuts, nullText) => {
        // Two values in a row that belong to the key before theirs end a connection; these belong to none.
        const values = make.map((of, index) => of(index));
        const reply = replyOf(values, nullText);
        assert.deepEqual(
          read(slab(), values.length, reply, cuts),
          values.map((value) => value.expected),
        );
      },
    ),
    { numRuns: 200 },
  );
}

describe("the values of a reply", () => {
  test("are found and checked together, whatever stands among them and wherever the reply is cut", () => {
    assert.notEqual(scanning.region, undefined);
    holds(() => scanning);
  });

  test("that claim more than was received are waited for, not read from what lay there before", () => {
    const long = Array.from({ length: 20 }, (_, index) => framed("x".repeat(90))(index));
    read(scanning, 20, replyOf(long, "_\r\n"), []);
    const short = Array.from({ length: 20 }, (_, index) => framed("y".repeat(80))(index));
    assert.deepEqual(
      read(scanning, 20, replyOf(short, "_\r\n"), [1]),
      short.map((value) => value.expected),
    );
  });

  test("are the same one by one, once all the memory for that is taken", () => {
    const taken: ScanningRegion[] = [];
    for (let region = ScanningRegion.take(); region !== undefined; region = ScanningRegion.take()) taken.push(region);
    const slab = new ReadSlab();
    assert.equal(slab.region, undefined);
    holds(() => slab);
  });

  test("end where the last one ends, also if that is longer than any may be and comes in pieces", () => {
    const forged = Buffer.from("*1\r\n$5\r\nEVIL!\r\n".repeat(80_000));
    assert.ok(forged.length > MAX_VALUE_BYTES + 64);
    const values: Stored[] = [framed("a")(0), { bytes: forged, expected: "CORRUPT_VALUE" }];
    for (const cut of [1000, 65_536, 65_537, forged.length + 30]) {
      assert.deepEqual(read(scanning, 2, replyOf(values, "_\r\n"), [cut]), ["a", "CORRUPT_VALUE"]);
    }
  });

  test("are scanned again after one that was too large for that memory", () => {
    const large = "z".repeat(700_000);
    const values = [framed("a")(0), { bytes: Buffer.from(large), expected: large }, framed("b")(2)];
    const expected = values.map((value) => value.expected);
    assert.deepEqual(read(scanning, 3, replyOf(values, "_\r\n"), [60_000]), expected);
    read(scanning, 1, replyOf([framed("c")(0)], "_\r\n"), []);
    assert.notEqual(scanning.region, undefined);
  });
});
