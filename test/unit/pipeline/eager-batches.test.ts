import assert from "node:assert/strict";
import { test } from "node:test";
import { BackendError } from "../../../src/core/errors.js";
import { createEngine } from "../../../src/index.js";
import { until } from "../../support/until.js";
import { HandDriver, succeedAll } from "./hand-driver.js";
import { heldStore } from "./held-store.js";

const eager = () => heldStore({ eagerBatchSize: 32 });

/** So many callers, each of whom calls again whenever it is answered. */
async function callers({ call, callAgain, sent }: ReturnType<typeof heldStore>, count: number): Promise<void> {
  const caller = async (): Promise<never> => {
    for (;;) await callAgain(0);
  };
  for (let index = 0; index < count; index++) void caller();
  await call(0);
  assert.deepEqual(
    sent.map(({ size }) => size),
    [count],
  );
}

test("callers who go on when they are answered have several batches under way", async () => {
  const scene = eager();
  await callers(scene, 12);
  await scene.answer(scene.sent[0]!);
  assert.deepEqual(scene.sizes(), [12, 3, 3, 3, 3]);
});

test("a batch with little of what is pending is answered in one go", async () => {
  const scene = eager();
  await callers(scene, 15);
  await scene.answer(scene.sent[0]!);
  assert.deepEqual(scene.sizes(), [15, 3, 3, 3, 3, 3]);
  await scene.answer(scene.sent[1]!);
  assert.deepEqual(scene.sizes(), [15, 3, 3, 3, 3, 3, 3]);
});

test("what a caller calls without awaiting stays together, also when others are answered in parts", async () => {
  const scene = eager();
  for (let caller = 0; caller < 6; caller++) void scene.callAgain(4);
  await scene.call(0);
  await scene.answer(scene.sent[0]!);
  assert.deepEqual(scene.sizes(), [6, 8, 8, 8]);
});

test("what fails is told after what was answered before it", async () => {
  const scene = eager();
  const order: string[] = [];
  scene.onAnswer = (key) => order.push(key);
  scene.onFailure = (key) => order.push(`${key} failed`);
  await scene.call(8);
  const batch = scene.sent[0]!;
  let leaders = 0;
  batch.forEachLeader((leader) => {
    if (++leaders === 6) batch.fail(leader, new BackendError("refused", { outcome: "not-applied" }));
    else batch.succeed(leader, null);
  });
  batch.complete();
  await scene.call(0);
  const answers = Array.from({ length: 8 }, (_, index) => (index === 5 ? "key 5 failed" : `key ${index}`));
  assert.deepEqual(order, answers);
});

test("who asks for a time to gather gets it, and no parts", async () => {
  const scene = heldStore({ eagerBatchSize: 32 }, { lingerMs: 5 });
  for (let caller = 0; caller < 12; caller++) void scene.callAgain(1);
  scene.loop.clock.advance(5);
  await scene.call(0);
  await scene.answer(scene.sent[0]!);
  assert.deepEqual(scene.sizes(), [12]);
  scene.loop.clock.advance(5);
  await scene.call(0);
  assert.deepEqual(scene.sizes(), [12, 12]);
});

test("answers come in the order of the calls, and flush ends after them", async () => {
  const scene = eager();
  const order: string[] = [];
  scene.onAnswer = (key) => order.push(key);
  void scene.call(8);
  void scene.pipeline.flush().then(() => order.push("flush"));
  await scene.call(0);
  await scene.answer(scene.sent[0]!);
  assert.deepEqual(order, [...Array.from({ length: 8 }, (_, index) => `key ${index}`), "flush"]);
});

test("of a store that does not ask for it all answers are given in one go", async () => {
  const scene = heldStore({});
  await callers(scene, 12);
  await scene.answer(scene.sent[0]!);
  assert.deepEqual(scene.sizes(), [12, 12]);
});

test("a flush between two parts ends after the answers of everything called before it", async () => {
  const hand = new HandDriver(() => {}, { eagerBatchSize: 32 });
  const engine = await createEngine({ backend: hand.driver });
  let settled = 0;
  const gets = Array.from({ length: 20 }, (_, index) => engine.get(`key ${index}`).then(() => settled++));
  await until("the batch is sent", () => hand.batches.length === 1);
  succeedAll(hand.batches[0]!);
  await gets[0];
  assert.ok(settled < gets.length, "they are answered in parts");
  await engine.flush();
  assert.equal(settled, gets.length);
  await engine.close();
});
