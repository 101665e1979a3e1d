import assert from "node:assert/strict";
import { test } from "node:test";
import { KnownLifetimes } from "../../../src/tier/known-lifetimes.js";

test("a lifetime is known until it is over or forgotten", () => {
  const lifetimes = new KnownLifetimes(10_000);
  lifetimes.note("a", 100);
  lifetimes.note("b", 100);
  lifetimes.forget("b");
  assert.equal(lifetimes.expiryOf("a", 99), 100);
  assert.equal(lifetimes.expiryOf("a", 100), Number.POSITIVE_INFINITY);
  assert.equal(lifetimes.expiryOf("b", 99), Number.POSITIVE_INFINITY);
});

test("of many lifetimes the latest stay known, the others are forgotten", () => {
  const lifetimes = new KnownLifetimes(10_000);
  for (let i = 0; i < 10_000; i++) lifetimes.note(`key ${i}`, 1_000_000);
  const known = Array.from({ length: 10_000 }, (_, i) => Number.isFinite(lifetimes.expiryOf(`key ${i}`, 0)));
  const count = known.filter(Boolean).length;
  assert.ok(known[9999] && count > 30 && count < 100, `${count}`);
  assert.ok(!known[0]);
});
