import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch } from "../../../../src/backends/batch.js";
import { dividedReads } from "../../../../src/backends/postgres/divided-reads.js";
import { KeyHashes } from "../../../../src/backends/postgres/key-hashes.js";
import { Kind, Request } from "../../../../src/backends/request.js";
import { keyHash } from "../../../../src/core/key-hash.js";

function batchOf(keys: readonly string[]) {
  const results = new Map<string, unknown>();
  let ended = 0;
  const batch = new Batch({
    nowUs: () => 1,
    requestSucceeded: (_batch, { key }, result) => void results.set(key, result),
    requestFailed: () => assert.fail("nothing fails"),
    batchCompleted: () => void ended++,
    defersDecoding: () => false,
  });
  for (const key of keys) batch.reads.push(new Request(Kind.get, key, undefined, 0, undefined, 0, 1000));
  batch.size = keys.length;
  return { batch, results, ended: () => ended };
}

test("reads are divided by their places, those without one go along, and the batch ends with its last part", () => {
  const { batch, results, ended } = batchOf(["a1", "free", "b1", "a2", "b2"]);
  const places: Record<string, object> = { a: {}, b: {} };
  const parts = dividedReads(batch, (key) => places[key[0]!])!;
  const keys = parts.map(({ reads }) => reads.map(({ key }) => key));
  assert.deepEqual(keys, [
    ["a1", "a2", "free"],
    ["b1", "b2"],
  ]);
  assert.deepEqual(
    parts.map(({ size }) => size),
    [3, 2],
  );
  for (const part of parts) {
    assert.equal(ended(), 0);
    for (const request of part.reads) part.succeed(request, request.key);
    part.complete();
  }
  assert.equal(ended(), 1);
  assert.deepEqual([...results.values()].sort(), ["a1", "a2", "b1", "b2", "free"]);
});

test("reads of one place, or of none, are not divided", () => {
  const place = {};
  assert.equal(
    dividedReads(batchOf(["a", "b"]).batch, () => place),
    undefined,
  );
  assert.equal(
    dividedReads(batchOf(["a", "b"]).batch, () => undefined),
    undefined,
  );
});

test("hashes of keys tell whether batches share one, whatever the sign of the hash", () => {
  const hashesOf = (keys: readonly string[]): KeyHashes => {
    const hashes = new KeyHashes(keys.length);
    for (const key of keys) hashes.add(keyHash(key));
    return hashes;
  };
  const keys = Array.from({ length: 2000 }, (_, i) => `key ${i}`);
  const some = hashesOf(keys.slice(0, 200));
  assert.ok(keys.slice(0, 200).some((key) => keyHash(key) < 0) && keys.slice(0, 200).some((key) => keyHash(key) > 0));
  for (const [i, key] of keys.entries()) {
    assert.equal(some.has(keyHash(key)), i < 200, key);
    assert.equal(hashesOf([key]).shareOneWith(some), i < 200, key);
    assert.equal(some.shareOneWith(hashesOf([key])), i < 200, key);
  }
});
