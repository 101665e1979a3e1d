import assert from "node:assert/strict";
import { test } from "node:test";
import { allocateValue, viewOf } from "../../../src/core/value-memory.js";

test("a view is a Buffer in every respect and shares the memory", () => {
  const block = Buffer.from("..a value...");
  const view = viewOf(block.buffer, block.byteOffset + 2, 7);
  assert.ok(Buffer.isBuffer(view));
  assert.equal(view.constructor, Buffer);
  assert.equal(view.toString(), "a value");
  assert.deepEqual(view, block.subarray(2, 9));
  assert.equal(viewOf(block.buffer, block.byteOffset, 0).length, 0);
  view[0] = 0x41;
  assert.equal(block.toString("latin1", 2, 9), "A value");
  assert.throws(() => viewOf(new ArrayBuffer(8), 4, 5), RangeError);
});

test("values never overlap, whatever sizes follow each other", () => {
  const values: Buffer[] = [];
  for (let round = 0; round < 2000; round++) {
    const value = allocateValue((round * 7919) % 5000);
    value.fill(round & 0xff);
    values.push(value);
  }
  for (const [round, value] of values.entries()) {
    assert.equal(value.length, (round * 7919) % 5000);
    assert.ok(value.every((byte) => byte === (round & 0xff)));
  }
});
