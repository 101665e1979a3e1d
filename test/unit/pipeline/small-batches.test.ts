import assert from "node:assert/strict";
import { test } from "node:test";
import type { Capabilities } from "../../../src/backends/contract.js";
import { heldStore, MAX_SIZE } from "./held-store.js";

/** The store wants two small batches at once. */
const scene = () => heldStore({ smallBatches: 2 });

test("with so many small batches under way the next waits for one to end, and grows meanwhile", async () => {
  const { sent, call, answer, sizes } = scene();
  await call(1);
  await call(2);
  await call(3);
  await call(4);
  assert.deepEqual(sizes(), [1, 2]);
  await answer(sent[1]!);
  assert.deepEqual(sizes(), [1, 2, 7]);
});

test("it waits no longer once it is a quarter full", async () => {
  const { call, sizes } = scene();
  await call(1);
  await call(1);
  await call(MAX_SIZE / 4 - 1);
  assert.deepEqual(sizes(), [1, 1]);
  await call(1);
  assert.deepEqual(sizes(), [1, 1, MAX_SIZE / 4]);
  await call(MAX_SIZE);
  assert.deepEqual(sizes(), [1, 1, MAX_SIZE / 4, MAX_SIZE]);
});

test("where those under way take long it goes after 20 ms, and so does the next", async () => {
  const { loop, call, sizes } = scene();
  await call(1);
  await call(1);
  await call(3);
  loop.clock.advance(19);
  await call(0);
  assert.deepEqual(sizes(), [1, 1]);
  loop.clock.advance(1);
  await call(0);
  assert.deepEqual(sizes(), [1, 1, 3]);
  await call(2);
  assert.deepEqual(sizes(), [1, 1, 3]);
  loop.clock.advance(20);
  await call(0);
  assert.deepEqual(sizes(), [1, 1, 3, 2]);
});

/** The store wants one batch at once that writes. */
const writing = (wishes: Partial<Capabilities> = {}) => heldStore({ smallBatches: 2, writingBatches: 1, ...wishes });

test("a few writes wait for the batch under way that writes, and leave together when it has ended", async () => {
  const { sent, calls, answer, contents } = writing();
  await calls("put a");
  await calls("put b", "delete c");
  await calls("put d");
  assert.deepEqual(contents(), [["put a"]]);
  await answer(sent[0]!);
  assert.deepEqual(contents().slice(1), [["delete c", "put b", "put d"]]);
});

test("reads leave without the writes that wait, but none of a key that one of these writes", async () => {
  const { sent, calls, answer, contents } = writing();
  await calls("put a");
  await calls("get c", "put b", "put c", "get d", "get b", "contains e", "contains c");
  assert.deepEqual(contents().slice(1), [["contains e", "get c", "get d"]]);
  await answer(sent[0]!);
  assert.deepEqual(contents()[2]!.sort(), ["put b", "put c"], "the reads of the same keys share their fate");
});

test("beside reads that are under way writes do not wait", async () => {
  const { calls, contents } = writing();
  await calls("get a");
  await calls("put b");
  assert.deepEqual(contents(), [["get a"], ["put b"]]);
});

test("many writes do not wait, and few no longer than 20 ms", async () => {
  const { loop, call, calls, contents, sizes } = writing({ smallBatches: 8 });
  const puts = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `put ${from + i}` as const);
  await calls("put a");
  await calls(...puts(0, 15));
  assert.deepEqual(sizes(), [1]);
  await calls("put b");
  assert.deepEqual(sizes(), [1, 16]);
  await calls("put c");
  loop.clock.advance(19);
  await call(0);
  assert.deepEqual(sizes(), [1, 16]);
  loop.clock.advance(1);
  await call(0);
  assert.deepEqual(contents()[2], ["put c"]);
});

test("a batch that takes longer than 20 ms holds up other writes only once", async () => {
  const { loop, call, calls, contents } = writing({ smallBatches: 8 });
  await calls("put a");
  await calls("put b");
  loop.clock.advance(20);
  await call(0);
  await calls("put c");
  loop.clock.advance(20);
  await call(0);
  assert.deepEqual(contents(), [["put a"], ["put b"], ["put c"]], "the second was young");
  loop.clock.advance(20);
  await calls("put d");
  assert.deepEqual(contents()[3], ["put d"]);
});

test("what does not fit into the batch of reads keeps its place before the writes", async () => {
  const { sent, calls, answer, contents } = writing({ batchSize: 1, smallBatches: 2 });
  await calls("put x");
  await calls("get a", "get b", "put b");
  assert.deepEqual(contents(), [["put x"], ["get a"]]);
  await answer(sent[1]!);
  assert.deepEqual(contents()[2], ["get b"]);
  await answer(sent[2]!);
  assert.equal(contents().length, 3);
  await answer(sent[0]!);
  assert.deepEqual(contents()[3], ["put b"]);
});

test("a flush lets go what waits", async () => {
  const { sent, calls, call, answer, contents, pipeline } = writing();
  await calls("put a");
  await calls("get c", "put b");
  assert.deepEqual(contents(), [["put a"], ["get c"]]);
  await answer(sent[1]!);
  const flushed = pipeline.flush();
  await call(0);
  assert.deepEqual(contents()[2], ["put b"]);
  for (const batch of [sent[0]!, sent[2]!]) await answer(batch);
  await flushed;
});
