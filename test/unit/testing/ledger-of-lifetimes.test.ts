import assert from "node:assert/strict";
import { test } from "node:test";
import { FOR_EVER, PossibleStates } from "../../../src/testing/ledger/possible-states.js";
import { failure, rejected, verdict } from "../../support/obedient-engine.js";

const LONG_MS = 60_000;

/** The event loop stands still, and lifetimes run on. */
function pass(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

test("finds nothing where values end when they should", async () => {
  const found = await verdict(async (ledger) => {
    await ledger.put("a", "1st", { ttlMs: 5 });
    await ledger.put("b", "1st", { ttlMs: 5 });
    await ledger.put("c", "1st", { ttlMs: LONG_MS });
    await ledger.setIfNotExists("d", "1st", { ttlMs: LONG_MS });
    pass(80);
    await ledger.get("a");
    await ledger.setIfNotExists("a", "2nd");
    await ledger.ttl("a");
    await ledger.contains("b");
    await ledger.increment("b");
    await ledger.ttl("c");
    await ledger.expire("c", null);
    await ledger.ttl("c");
    await ledger.expire("d", 2 * LONG_MS);
    await ledger.ttl("d");
    await ledger.put("d", "2nd");
    await ledger.ttl("d");
    await ledger.ttl("nothing");
    await ledger.expire("nothing", 5);
  });
  assert.deepEqual(found, {});
});

test("lets a value be there or not while its lifetime may be over", () => {
  const states = PossibleStates.of("1st", { never: false, fromMs: 100, untilMs: 120 });
  const contents = (fromMs: number, untilMs: number) => [...states.between(fromMs, untilMs).contents].sort();
  assert.deepEqual(contents(50, 99), ["1st"]);
  assert.deepEqual(contents(50, 100), ["1st", null]);
  assert.deepEqual(contents(110, 130), ["1st", null]);
  assert.deepEqual(contents(121, 130), [null]);
  states.add("1st", FOR_EVER);
  assert.deepEqual(contents(121, 130), ["1st", null]);
});

test("finds values that outlive their lifetime, in the store and in what was read", async () => {
  const found = await verdict(async (ledger, engine) => {
    for (const key of ["a", "b", "c"]) await ledger.put(key, "1st", { ttlMs: 5 });
    for (const key of ["a", "b", "c"]) engine.ends.delete(key);
    pass(80);
    await ledger.get("b");
    await ledger.setIfNotExists("c", "2nd");
  });
  assert.deepEqual(found, { "wrong-lifetime": 3 });
});

test("finds values that end before their lifetime, and lifetimes that nobody gave", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.put("a", "1st", { ttlMs: LONG_MS });
    engine.remove("a");
    await ledger.get("a");
    await ledger.put("b", "1st");
    engine.end("b", LONG_MS);
    await ledger.ttl("b");
    await ledger.put("c", "1st", { ttlMs: LONG_MS });
    engine.end("c", 2 * LONG_MS);
  });
  assert.deepEqual(found, { "wrong-lifetime": 3 });
});

test("finds an expire that took effect though it was not applied, and one that did not though it was acknowledged", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.put("a", "1st");
    await ledger.put("b", "1st");
    engine.expire = async (key, ttlMs) => {
      engine.end(key, ttlMs);
      throw failure("not-applied");
    };
    await rejected(ledger.expire("a", 60_000));
    engine.expire = async () => true;
    await ledger.expire("b", 60_000);
  });
  assert.deepEqual(found, { "wrong-lifetime": 2 });
});

test("lets an expire of unknown outcome have happened or not", async () => {
  for (const isApplied of [true, false]) {
    const found = await verdict(async (ledger, engine) => {
      await ledger.put("a", "1st");
      engine.expire = async (key, ttlMs) => {
        if (isApplied) engine.end(key, ttlMs);
        throw failure("unknown");
      };
      await rejected(ledger.expire("a", LONG_MS));
      await ledger.ttl("a");
      await ledger.ttl("a");
    });
    assert.deepEqual(found, {});
  }
});
