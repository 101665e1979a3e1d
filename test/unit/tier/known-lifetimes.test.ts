import assert from "node:assert/strict";
import { test } from "node:test";
import { KnownLifetimes } from "../../../src/tier/known-lifetimes.js";

test("a lifetime is known until it is ended or forgotten, and can be ended only when it is over", () => {
  const lifetimes = new KnownLifetimes(10_000);
  lifetimes.note("a", 100);
  lifetimes.note("b", 100);
  lifetimes.forget("b");
  assert.equal(lifetimes.expiryOf("b"), Number.POSITIVE_INFINITY);
  lifetimes.end("a", 99);
  assert.equal(lifetimes.expiryOf("a"), 100);
  lifetimes.end("a", 100);
  assert.equal(lifetimes.expiryOf("a"), Number.POSITIVE_INFINITY);
});

test("of many lifetimes the latest stay known, the others are forgotten", () => {
  const lifetimes = new KnownLifetimes(10_000);
  for (let i = 0; i < 10_000; i++) lifetimes.note(`key ${i}`, 1_000_000);
  const known = Array.from({ length: 10_000 }, (_, i) => Number.isFinite(lifetimes.expiryOf(`key ${i}`)));
  const count = known.filter(Boolean).length;
  assert.ok(known[9999] && count > 30 && count < 100, `${count}`);
  assert.ok(!known[0]);
});
