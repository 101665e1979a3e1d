import assert from "node:assert/strict";
import { test } from "node:test";
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
