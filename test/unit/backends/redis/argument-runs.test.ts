import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Batch } from "../../../../src/backends/batch.js";
import { encodeBatch, KEYS_PER_COMMAND } from "../../../../src/backends/redis/wire/batch-encoder.js";
import { CommandSlab } from "../../../../src/backends/redis/wire/command-slab.js";
import { Kind, Request } from "../../../../src/backends/request.js";
import { openCompressor } from "../../../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import { crc32 } from "../../../../src/core/crc32.js";
import { canonicalKeyOfBytes, keyBytes } from "../../../../src/core/key.js";
import type { Value } from "../../../../src/core/value.js";

const PREFIX = "state:";
const lz4 = openCompressor("lz4", undefined);

function envelope(checksum: "crc32" | "none"): Envelope {
  return new Envelope({
    ...{ checksum, compressor: lz4, thresholdBytes: 512, decompressors: [lz4], maxValueBytes: 1 << 24 },
  });
}

const sealed = envelope("crc32");
const bare = envelope("none");
const slabs = new Map([sealed, bare].map((codec) => [codec, new CommandSlab(codec, PREFIX)]));

interface Entry {
  readonly key: string;
  readonly value: Value;
  readonly ttlMs: number;
}

interface Groups {
  readonly probes: readonly string[];
  readonly reads: readonly string[];
  readonly deletes: readonly string[];
  readonly puts: readonly Entry[];
  readonly expiringPuts: readonly Entry[];
}

function batchOf(groups: Groups): Batch {
  const batch = new Batch(undefined as never);
  const request = (kind: Kind, key: string, value?: Value, ttlMs = 0) =>
    new Request(kind, key, value, ttlMs, undefined, 0, 1000);
  for (const key of groups.probes) batch.probes.push(request(Kind.contains, key));
  for (const key of groups.reads) batch.reads.push(request(Kind.get, key));
  for (const key of groups.deletes) batch.deletes.push(request(Kind.delete, key));
  for (const { key, value } of groups.puts) batch.puts.push(request(Kind.put, key, value));
  for (const { key, value, ttlMs } of groups.expiringPuts) {
    batch.expiringPuts.push(request(Kind.put, key, value, ttlMs));
  }
  return batch;
}

/** What the slab wrote, and the checksums that the values read are to be held against. */
function written(groups: Groups, codec: Envelope, hasMsetex: boolean): { bytes: Buffer; checksums: number[] } {
  const slab = slabs.get(codec)!;
  slab.reset();
  const { readChecksums } = encodeBatch(slab, batchOf(groups), hasMsetex, false);
  return { bytes: Buffer.from(slab.bytes.subarray(0, slab.length)), checksums: [...readChecksums] };
}

const storedKey = (key: string): Buffer => Buffer.concat([Buffer.from(PREFIX), keyBytes(key)]);

function command(...args: readonly (string | Buffer)[]): Buffer {
  const parts = args.map((arg) => Buffer.from(arg as string));
  return Buffer.concat([
    Buffer.from(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]),
  ]);
}

/** The same by the protocol's description, command by command. */
function expected({ probes, reads, deletes, puts, expiringPuts }: Groups, codec: Envelope): Buffer {
  const stored = ({ key, value }: Entry): Buffer => codec.encode(crc32(storedKey(key)), value);
  const commands = probes.map((key) => command("EXISTS", storedKey(key)));
  for (const run of inRuns(reads)) commands.push(command("MGET", ...run.map(storedKey)));
  for (const key of deletes) commands.push(command("UNLINK", storedKey(key)));
  for (const run of inRuns(puts)) {
    commands.push(command("MSET", ...run.flatMap((entry) => [storedKey(entry.key), stored(entry)])));
  }
  for (const entry of expiringPuts) {
    commands.push(command("PSETEX", storedKey(entry.key), String(entry.ttlMs), stored(entry)));
  }
  return Buffer.concat(commands);
}

function inRuns<T>(items: readonly T[]): T[][] {
  const runs: T[][] = [];
  for (let at = 0; at < items.length; at += KEYS_PER_COMMAND) runs.push(items.slice(at, at + KEYS_PER_COMMAND));
  return runs;
}

const asciiKey = fc.string({ minLength: 1, maxLength: 60 });
const anyKey = fc.oneof(
  { weight: 20, arbitrary: asciiKey },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }).map(canonicalKeyOfBytes) },
);
const shortText = fc.string({ maxLength: 120 });
const anyValue: fc.Arbitrary<Value> = fc.oneof(
  { weight: 20, arbitrary: shortText },
  { weight: 5, arbitrary: fc.integer({ min: 480, max: 1100 }).map((length) => "abc".repeat(400).slice(0, length)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 40, unit: "grapheme" }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
);
const lifetime = fc.oneof(fc.integer({ min: 1, max: 2 ** 31 + 5 }), fc.constant(86_400_000));

function groupsOf(key: fc.Arbitrary<string>, value: fc.Arbitrary<Value>): fc.Arbitrary<Groups> {
  const entry = fc.record({ key, value, ttlMs: lifetime });
  return fc.record({
    probes: fc.array(key, { maxLength: 20 }),
    reads: fc.array(key, { maxLength: 300, size: "max" }),
    deletes: fc.array(key, { maxLength: 20 }),
    puts: fc.array(entry, { maxLength: 300, size: "max" }),
    expiringPuts: fc.array(entry, { maxLength: 40 }),
  });
}

const groups = fc.oneof(groupsOf(asciiKey, shortText), groupsOf(asciiKey, anyValue), groupsOf(anyKey, anyValue));
const NOTHING: Groups = { probes: [], reads: [], deletes: [], puts: [], expiringPuts: [] };

describe("arguments that are written many at once", () => {
  for (const [name, codec] of [
    ["sealed values", sealed],
    ["values as they are", bare],
  ] as const) {
    test(`are what the protocol says, whatever keys and values, with ${name}`, () => {
      fc.assert(
        fc.property(groups, (given) => {
          const { bytes, checksums } = written(given, codec, false);
          assert.ok(bytes.equals(expected(given, codec)));
          assert.deepEqual(
            checksums,
            given.reads.map((read) => crc32(storedKey(read))),
          );
        }),
        { numRuns: 150 },
      );
    });
  }

  test("share a lifetime where the server knows how", () => {
    const expiringPuts = Array.from(
      { length: 300 },
      (_, index): Entry => ({
        ...{ key: `key-${index}`, value: `value ${index}`, ttlMs: 1000 },
      }),
    );
    const { bytes } = written({ ...NOTHING, expiringPuts }, sealed, true);
    const pairs = expiringPuts.flatMap(({ key: name, value: text }) => [
      storedKey(name),
      sealed.encode(crc32(storedKey(name)), text),
    ]);
    assert.ok(bytes.equals(command("MSETEX", "300", ...pairs, "PX", "1000")));
  });

  test("may be longer in all than the text that is taken at once", () => {
    const reads = Array.from({ length: 200 }, (_, index) => `${index}`.padStart(30_000, "k"));
    const given = { ...NOTHING, reads };
    assert.ok(written(given, sealed, false).bytes.equals(expected(given, sealed)));
  });

  test("are tried again after text that is not ASCII", () => {
    const ascii = { ...NOTHING, reads: Array.from({ length: 300 }, (_, index) => `key-${index}`) };
    const other = { ...NOTHING, reads: ascii.reads.map((read) => `${read} ü`) };
    for (let round = 0; round < 200; round++) {
      const given = round % 7 === 0 ? other : ascii;
      assert.ok(written(given, sealed, false).bytes.equals(expected(given, sealed)));
    }
  });
});
