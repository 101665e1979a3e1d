import assert from "node:assert/strict";
import { test } from "node:test";
import { heldStore, MAX_SIZE } from "./held-store.js";

const eager = () => heldStore({ eagerBatchSize: 2 });

test("what waits leaves within the turn as soon as it is a third of what is pending, until four batches are under way", async () => {
  const { call, sizes } = eager();
  await call(12);
  assert.deepEqual(sizes(), [2, 2, 2, 3, 3]);
});

test("callers that go on when they are answered keep several batches under way", async () => {
  const { sent, call, answer, sizes } = eager();
  await call(9);
  assert.deepEqual(sizes(), [2, 2, 2, 3]);
  await answer(sent[0]!);
  await call(2);
  await answer(sent[1]!);
  await answer(sent[2]!);
  await call(4);
  assert.deepEqual(sizes(), [2, 2, 2, 3, 2, 3, 1]);
});

test("one call alone leaves alone", async () => {
  const { call, sizes } = eager();
  await call(1);
  await call(1);
  assert.deepEqual(sizes(), [1, 1]);
});

test("a full batch leaves however many are under way", async () => {
  const { call, sizes } = eager();
  for (let batches = 0; batches < 5; batches++) await call(1);
  await call(MAX_SIZE + 1);
  assert.deepEqual(sizes(), [1, 1, 1, 1, 1, MAX_SIZE, 1]);
});

test("of a store that does not ask for it batches form until the turn ends", async () => {
  const { call, sizes } = heldStore({});
  await call(12);
  assert.deepEqual(sizes(), [12]);
});
