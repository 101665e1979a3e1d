import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderMarks } from "../../../src/pipeline/order-marks.js";

function scene(): { marks: OrderMarks; ran: string[]; add: (position: number, name: string, alone?: boolean) => void } {
  const marks = new OrderMarks();
  const ran: string[] = [];
  return { marks, ran, add: (position, name, alone = false) => marks.add(position, alone, () => void ran.push(name)) };
}

test("a flush with nothing before it ends at once", () => {
  const { marks, ran, add } = scene();
  add(0, "flush");
  marks.pass(0, 0, -1);
  assert.deepEqual(ran, ["flush"]);
  assert.equal(marks.waiting, false);
});

test("a flush blocks what was called after it until it is passed, and ends with the batches before it", () => {
  const { marks, ran, add } = scene();
  add(3, "flush");
  assert.equal(marks.blocks(2), false);
  assert.equal(marks.blocks(3), true);
  marks.pass(3, 2, 7);
  assert.equal(marks.blocks(3), false);
  marks.batchesCompletedBefore(7);
  assert.deepEqual(ran, []);
  marks.batchesCompletedBefore(8);
  assert.deepEqual(ran, ["flush"]);
});

test("work that must be alone waits until nothing is in flight, and stops at itself", () => {
  const { marks, ran, add } = scene();
  add(1, "alone", true);
  add(1, "flush");
  assert.equal(marks.pass(1, 1, 0), false);
  assert.deepEqual(ran, []);
  assert.equal(marks.pass(1, 0, 0), true);
  assert.deepEqual(ran, ["alone"]);
  marks.pass(1, 0, 0);
  assert.deepEqual(ran, ["alone", "flush"]);
});

test("a flush that was passed waits for requests that come back to the queue", () => {
  const { marks, ran, add } = scene();
  add(5, "flush");
  marks.pass(5, 1, 0);
  marks.waitAgain(5);
  marks.batchesCompletedBefore(Number.POSITIVE_INFINITY);
  assert.deepEqual(ran, []);
  assert.equal(marks.blocks(4), false);
  marks.pass(5, 1, 1);
  marks.batchesCompletedBefore(2);
  assert.deepEqual(ran, ["flush"]);
});

test("closing ends everything that waits, in its order", () => {
  const { marks, ran, add } = scene();
  add(1, "first");
  add(2, "second", true);
  add(3, "third");
  marks.pass(1, 1, 0);
  marks.passAll();
  assert.deepEqual(ran, ["first", "second", "third"]);
});
test("flushes end in their order, however many wait for requests that come back to the front", () => {
  const marks = new OrderMarks();
  const count = 200_000;
  const ended: number[] = [];
  for (let i = 0; i < count; i++) marks.add(i, false, () => ended.push(i));
  assert.equal(marks.pass(count, 1, 7), false);
  assert.equal(marks.blocks(count), false);
  marks.waitAgain(count);
  assert.equal(marks.blocks(count), true);
  marks.pass(count, 1, 8);
  marks.batchesCompletedBefore(8);
  assert.equal(ended.length, 0);
  marks.waitForLater(8, 9);
  marks.batchesCompletedBefore(9);
  assert.equal(ended.length, 0, "something of the batch ends with the next");
  marks.batchesCompletedBefore(10);
  assert.equal(marks.isEmpty, true);
  assert.deepEqual([ended.length, ended.every((mark, index) => mark === index)], [count, true]);
});
