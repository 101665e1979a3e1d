import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentWrites } from "../../../../src/backends/replicas/recent-writes.js";
import type { CanonicalKey } from "../../../../src/core/key.js";

const key = (name: string | number): CanonicalKey => String(name) as CanonicalKey;

test("a write counts as had by a replica that has come by the position asked for after it", () => {
  const writes = new RecentWrites();
  writes.add(key("a"));
  assert.equal(writes.mayLack(key("a"), 100n), true, "nobody knows yet where it is");
  const positioned = writes.seal();
  writes.add(key("b"));
  positioned(10n);
  assert.deepEqual([writes.mayLack(key("a"), 9n), writes.mayLack(key("a"), 10n)], [true, false]);
  assert.equal(writes.mayLack(key("b"), 100n), true, "written after the question");
  writes.reached(9n);
  assert.equal(writes.mayLack(key("a"), 9n), true);
  writes.reached(10n);
  assert.deepEqual([writes.mayLack(key("a"), 9n), writes.floor], [false, 10n], "others must come by it first");
});

test("a position is not that of writes acknowledged while it was asked for, though nothing was written before", () => {
  const writes = new RecentWrites();
  const positioned = writes.seal();
  writes.add(key("a"));
  positioned(10n);
  assert.equal(writes.mayLack(key("a"), 10n), true);
  writes.reached(10n);
  assert.equal(writes.mayLack(key("a"), 10n), true);
});

test("after a question without an answer the next position stands for what was written before both", () => {
  const writes = new RecentWrites();
  writes.add(key("a"));
  writes.seal();
  writes.add(key("b"));
  writes.seal()(20n);
  assert.deepEqual([writes.mayLack(key("a"), 19n), writes.mayLack(key("a"), 20n)], [true, false]);
  writes.reached(20n);
  assert.deepEqual([writes.mayLack(key("a"), 0n), writes.mayLack(key("b"), 0n)], [false, false]);
});

test("a key that is written again is remembered by its last write", () => {
  const writes = new RecentWrites();
  writes.add(key("a"));
  writes.add(key("b"));
  writes.seal()(10n);
  writes.add(key("a"));
  writes.seal()(20n);
  writes.reached(10n);
  assert.deepEqual([writes.mayLack(key("a"), 10n), writes.mayLack(key("b"), 10n)], [true, false]);
  writes.reached(20n);
  assert.equal(writes.mayLack(key("a"), 0n), false);
});

test("too many keys of several generations, or generations without an answer, are no longer told apart", () => {
  const writes = new RecentWrites();
  for (let i = 0; i <= 200_000; i++) {
    writes.add(key(i));
    if (i % 50_000 === 0) writes.seal()(BigInt(i));
  }
  assert.equal(writes.mayLack(key("never written"), 150_000n), true);
  writes.seal()(300_000n);
  assert.equal(writes.mayLack(key("never written"), 300_000n), false);
  writes.reached(300_000n);
  assert.equal(writes.mayLack(key("never written"), 0n), false);

  for (let i = 0; i <= 1000; i++) {
    writes.add(key(i));
    writes.seal();
  }
  assert.equal(writes.mayLack(key("never written"), 400_000n), true);
  writes.seal()(400_000n);
  writes.reached(400_000n);
  assert.equal(writes.mayLack(key(0), 0n), false);
});

test("after a call on many keys everything counts as written until replicas have come by it", () => {
  const writes = new RecentWrites();
  writes.add(key("a"));
  const positioned = writes.seal();
  writes.addAll();
  positioned(10n);
  assert.equal(writes.mayLack(key("b"), 10n), true);
  writes.seal()(20n);
  writes.add(key("c"));
  assert.deepEqual([writes.mayLack(key("b"), 20n), writes.mayLack(key("c"), 20n)], [false, true]);
  writes.reached(20n);
  assert.deepEqual([writes.mayLack(key("b"), 0n), writes.floor], [false, 20n]);
});
