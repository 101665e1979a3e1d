import assert from "node:assert/strict";
import { test } from "node:test";
import { JobSlabs, unpack } from "../../../src/workers/job-slabs.js";
import { headBytes, headOf, IN_SLAB } from "../../../src/workers/protocol.js";

const VALUES = 3;
const whole = { first: 0, end: VALUES };
const checksums = Uint32Array.of(7, 8, 9);

function packedValues(slab: ArrayBuffer): string[] {
  const head = headOf(slab, VALUES);
  return Array.from({ length: VALUES }, (_, index) => {
    return Buffer.from(slab).toString("latin1", head[index * 3]!, head[index * 3 + 1]!);
  });
}

test("values that lie side by side are copied together, and each is found where its head says", () => {
  const reply = Buffer.from("$5\r\nfirst\r\n$6\r\nsecond\r\n$5\r\nthird\r\n");
  const views = [reply.subarray(4, 9), reply.subarray(15, 21), reply.subarray(27, 32)];
  const { slab } = new JobSlabs(1).pack(views, checksums, whole, 0);
  assert.deepEqual(packedValues(slab), ["first", "second", "third"]);
  assert.equal(Buffer.from(slab, headBytes(VALUES), 28).toString("latin1"), reply.toString("latin1", 4, 32));
});

test("values far apart, out of order or overlapping in one memory are packed as well", () => {
  const memory = Buffer.from(`${"x".repeat(500)}abcdef`);
  const views = [memory.subarray(500, 504), memory.subarray(0, 3), memory.subarray(502, 506)];
  const { slab } = new JobSlabs(1).pack(views, checksums, whole, 0);
  assert.deepEqual(packedValues(slab), ["abcd", "xxx", "cdef"]);
});

test("results in the slab become memory of their own", () => {
  const { slab, resultsAt } = new JobSlabs(1).pack(["a", "é", "c"], checksums, whole, 20_000);
  const head = headOf(slab, VALUES);
  const results = ["one", "y".repeat(9000), "three"];
  let at = resultsAt;
  for (const [index, text] of results.entries()) {
    head.set([IN_SLAB, at, at + text.length], index * 3);
    at += Buffer.from(slab).write(text, at, "latin1");
  }
  const into: (Buffer | never)[] = [];
  const answer = { slab, blocks: [], failures: [], bytesBeforeCompression: 0, bytesAfterCompression: 0, elapsedMs: 0 };
  assert.deepEqual(unpack({ ok: true, ...answer }, whole, into), []);
  Buffer.from(slab).fill(0);
  assert.deepEqual(into.map(String), results);
});
