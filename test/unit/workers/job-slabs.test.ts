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

test("text behind values with gaps between them is packed whole, into a slab that was the right size without the gaps", () => {
  const slabs = new JobSlabs(1);
  const kept = new ArrayBuffer(128 * 1024);
  slabs.giveBack(kept);
  const message = Buffer.alloc(60_000, "m");
  const text = "t".repeat(kept.byteLength - headBytes(VALUES) - 40_000);
  const views = [message.subarray(0, 20_000), message.subarray(20_064, 40_064), text];
  const { slab } = slabs.pack(views, checksums, whole, 0);
  const packed = packedValues(slab);
  assert.deepEqual(
    packed.map((value) => value.length),
    views.map((view) => view.length),
  );
  assert.ok(packed[2] === text);
});

test("many small values with wide gaps between them have room, and results beside them", () => {
  const values = 4000;
  const message = Buffer.alloc(88 * values, "m");
  const views = Array.from({ length: values }, (_, index) => message.subarray(index * 88, index * 88 + 24));
  const { slab, resultsAt } = new JobSlabs(1).pack(views, new Uint32Array(values), { first: 0, end: values }, 200_000);
  assert.ok(slab.byteLength - resultsAt >= 200_000);
});
