import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ValuesExchange } from "../../../../src/backends/postgres/exchanges.js";
import { MessageReader, ProtocolError } from "../../../../src/backends/postgres/wire/message-reader.js";
import { ReadSlab } from "../../../../src/backends/read-slab.js";
import { Kind, Request } from "../../../../src/backends/request.js";
import { openCompressor } from "../../../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import { crc32 } from "../../../../src/core/crc32.js";
import { StateError } from "../../../../src/core/errors.js";
import { collectingBatch } from "../../../support/collecting-batch.js";

type Stored = { readonly bytes: Buffer | null; readonly expected: string | null };

const lz4 = openCompressor("lz4", undefined);
const codec = new Envelope({
  ...{ checksum: "crc32" as const, compressor: lz4, thresholdBytes: 1024, decompressors: [lz4] },
  maxValueBytes: 1 << 20,
});

/** One for all, because the memory in which rows are found together is limited. */
const slab = new ReadSlab();

const keyOf = (index: number): string => `key-${index}`;
const checksumOf = (index: number): number => crc32(Buffer.from(keyOf(index)));

const framed = (text: string) => (index: number) => ({ bytes: codec.encode(checksumOf(index), text), expected: text });
const kinds: fc.Arbitrary<(index: number) => Stored> = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 300, unit: "grapheme" }).map(framed) },
  { weight: 1, arbitrary: fc.integer({ min: 1000, max: 3000 }).map((length) => framed("v".repeat(length))) },
  { weight: 1, arbitrary: fc.constant((): Stored => ({ bytes: null, expected: null })) },
  {
    weight: 1,
    arbitrary: fc.string({ maxLength: 40 }).map((text) => () => ({ bytes: Buffer.from(text), expected: text })),
  },
  {
    weight: 1,
    arbitrary: fc.string({ maxLength: 40 }).map((text) => () => {
      return { bytes: codec.encode(checksumOf(-1), text), expected: "CORRUPT_VALUE" };
    }),
  },
);

function rowOf(bytes: Buffer | null): Buffer {
  const row = Buffer.alloc(11 + (bytes?.length ?? 0));
  row[0] = 0x44;
  row.writeInt32BE(row.length - 1, 1);
  row.writeInt16BE(1, 5);
  row.writeInt32BE(bytes === null ? -1 : bytes.length, 7);
  bytes?.copy(row, 11);
  return row;
}

const AFTER_ROWS = Buffer.from([0x43, 0, 0, 0, 5, 0, 0x5a, 0, 0, 0, 5, 0x49]);

interface Outcome {
  readonly results: (string | null)[];
  readonly together: number;
  readonly others: number[];
}

/** What the readers of so many keys get, if the answer arrives in pieces of these lengths. */
function read(count: number, answer: Buffer, cuts: readonly number[], scans: boolean): Outcome {
  const results: (string | null)[] = [];
  const others: number[] = [];
  let together = 0;
  const take = (leader: Request, result: string | null): void => {
    assert.equal(results[Number(leader.key.slice(4))], undefined, "answered twice");
    results[Number(leader.key.slice(4))] = result;
  };
  const batch = collectingBatch(take);
  const requests = Array.from(
    { length: count },
    (_, index) => new Request(Kind.get, keyOf(index), undefined, 0, undefined, 0, 1000),
  );
  const checksums = Uint32Array.from(requests, (_, index) => checksumOf(index));
  const progress = {
    batch,
    stamp: () => {},
    failed: (request: Request, error: StateError) => batch.fail(request, error),
    exchangeEnded: () => {},
  };
  const exchange = new ValuesExchange(progress, requests, scans ? checksums : undefined, (request, index, ...place) => {
    const [bytes, at, length] = place;
    if (length < 0) {
      batch.succeed(request, null);
      return;
    }
    try {
      batch.succeed(request, codec.decode(bytes, at, at + length, checksums[index]!));
    } catch (error) {
      assert.ok(error instanceof StateError);
      batch.fail(request, error);
    }
  });
  const reader = new MessageReader(
    (type, bytes, start, end) => {
      if (type === 0x44) exchange.row(bytes, start, end);
      else others.push(type);
    },
    (slab) => {
      const before = results.length;
      const took = exchange.rows(slab);
      together += results.length - before;
      return took;
    },
    slab,
  );
  slab.start = 0;
  slab.end = 0;
  let at = 0;
  for (let cut = 0; at < answer.length; cut++) {
    const end = Math.min(answer.length, at + (cuts.length === 0 ? answer.length : cuts[cut % cuts.length]!));
    reader.push(answer.subarray(at, end));
    at = end;
  }
  return { results, together, others };
}

const pieces = fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 8 });

describe("the rows of an answer", () => {
  test("are found and checked together, whatever stands among them and wherever the answer is cut", () => {
    let together = 0;
    fc.assert(
      fc.property(fc.array(kinds, { minLength: 1, maxLength: 150 }), pieces, fc.boolean(), (make, cuts, scans) => {
        const values = make.map((of, index) => of(index));
        const answer = Buffer.concat([...values.map(({ bytes }) => rowOf(bytes)), AFTER_ROWS]);
        const outcome = read(values.length, answer, cuts, scans);
        assert.deepEqual(
          outcome.results,
          values.map(({ expected }) => expected),
        );
        assert.deepEqual(outcome.others, [0x43, 0x5a]);
        together += outcome.together;
      }),
      { numRuns: 300 },
    );
    assert.ok(together > 0);
  });

  test("are all taken together where all are of the usual kind, but for one that waits for its end", () => {
    const values = Array.from({ length: 500 }, (_, index) => framed(`value ${index}`)(index));
    const answer = Buffer.concat([...values.map(({ bytes }) => rowOf(bytes)), AFTER_ROWS]);
    const { results, together } = read(500, answer, [1000], true);
    assert.deepEqual(
      results,
      values.map(({ expected }) => expected),
    );
    assert.equal(together, 500);
  });

  test("that are damaged anywhere give nobody another's value", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 60 }).map(framed), { minLength: 2, maxLength: 40 }),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
        pieces,
        (make, damages, cuts) => {
          const values = make.map((of, index) => of(index));
          const answer = Buffer.concat([...values.map(({ bytes }) => rowOf(bytes)), AFTER_ROWS]);
          for (const [place, mask] of damages) answer[place % answer.length]! ^= mask;
          try {
            for (const [index, result] of read(values.length, answer, cuts, true).results.entries()) {
              if (result === undefined || result === null || result === "CORRUPT_VALUE") continue;
              // A damaged magic leaves a foreign value, never one of ours under another key.
              const others = values.filter((_, other) => other !== index).map(({ expected }) => expected);
              assert.ok(result === values[index]!.expected || !others.includes(result) || result === "");
            }
          } catch (error) {
            assert.ok(error instanceof ProtocolError || error instanceof StateError, String(error));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
