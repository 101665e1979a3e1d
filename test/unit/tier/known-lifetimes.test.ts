import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Kind, Request } from "../../../src/backends/request.js";
import { KnownLifetimes, LASTING } from "../../../src/tier/known-lifetimes.js";

function write(): Request {
  return new Request(Kind.put, "key", "value", 0, undefined, 0, 1000);
}

/** What is known of the key once such a write is done. */
function put(lifetimes: KnownLifetimes, key: string, expiresAtMs: number, nowMs = 0): void {
  const writer = write();
  lifetimes.called(writer, key, expiresAtMs, nowMs);
  lifetimes.done(writer, key, expiresAtMs, expiresAtMs);
}

test("a write shortens what is known when it is called, and lengthens it only once it is done", () => {
  const lifetimes = new KnownLifetimes(10_000);
  put(lifetimes, "a", 100);
  const longer = write();
  lifetimes.called(longer, "a", 500, 0);
  assert.equal(lifetimes.keepUntilMs("a", false, 0), 100);
  lifetimes.done(longer, "a", 500, 500);
  assert.equal(lifetimes.keepUntilMs("a", false, 0), 500);
  const lasting = write();
  lifetimes.called(lasting, "a", LASTING, 0);
  assert.equal(lifetimes.keepUntilMs("a", false, 0), 500);
  const shorter = write();
  lifetimes.called(shorter, "a", 50, 0);
  assert.equal(lifetimes.keepUntilMs("a", false, 0), 50);
  lifetimes.done(lasting, "a", LASTING, LASTING);
  assert.equal(lifetimes.keepUntilMs("a", false, 0), 50, "one called later may yet be done");
  lifetimes.done(shorter, "a", 50, 50);
  put(lifetimes, "a", LASTING);
  assert.equal(lifetimes.keepUntilMs("a", false, 0), LASTING);
});

test("where it is open which write took effect, nothing is kept from the end of the shortest lifetime to that of the longest", () => {
  const lifetimes = new KnownLifetimes(10_000);
  put(lifetimes, "a", 100);
  const lost = write();
  lifetimes.called(lost, "a", 50_000, 0);
  lifetimes.notDone(lost, "a", 50_000);
  lifetimes.done(lost, "a", 50_000, 50_000);
  assert.equal(lifetimes.keepUntilMs("a", false, 99), 100);
  for (const nowMs of [100, 20_000, 49_999, 59_000]) {
    assert.ok(lifetimes.keepUntilMs("a", false, nowMs) <= nowMs, `${nowMs}`);
  }
  lifetimes.end("a", 20_000);
  assert.ok(lifetimes.keepUntilMs("a", false, 49_000) <= 49_000, "a change by another may be the write itself");
  assert.equal(lifetimes.keepUntilMs("a", false, 60_001), LASTING);
});

test("a lifetime that is over is forgotten when the key is gone or written anew, and some time later", () => {
  const lifetimes = new KnownLifetimes(10_000);
  for (const key of ["gone", "anew", "there"]) put(lifetimes, key, 100);
  lifetimes.end("anew", 99);
  assert.equal(lifetimes.keepUntilMs("anew", false, 99), 100);
  lifetimes.end("anew", 100);
  assert.equal(lifetimes.keepUntilMs("anew", false, 100), LASTING);
  assert.equal(lifetimes.keepUntilMs("gone", true, 100), LASTING);
  assert.ok(lifetimes.keepUntilMs("there", false, 10_100) <= 10_100);
  assert.equal(lifetimes.keepUntilMs("there", false, 10_101), LASTING);
});

test("a write after a lifetime that is long over has only its own", () => {
  const lifetimes = new KnownLifetimes(10_000);
  put(lifetimes, "a", 100);
  lifetimes.called(write(), "a", 30_000, 20_000);
  assert.equal(lifetimes.keepUntilMs("a", false, 20_000), 30_000);
});

test("of what the store says of a lifetime the shorter is believed", () => {
  const lifetimes = new KnownLifetimes(10_000);
  lifetimes.told("a", 300, 300);
  lifetimes.told("a", 200, 200);
  lifetimes.told("a", 400, 400);
  assert.equal(lifetimes.keepUntilMs("a", false, 0), 200);
});

test("of many lifetimes the latest stay known, the others are forgotten", () => {
  const lifetimes = new KnownLifetimes(10_000);
  put(lifetimes, "renewed", 1_000_000);
  for (let i = 0; i < 10_000; i++) {
    put(lifetimes, `key ${i}`, 1_000_000);
    if (i % 10 === 0) put(lifetimes, "renewed", 2_000_000);
  }
  const known = Array.from({ length: 10_000 }, (_, i) => lifetimes.keepUntilMs(`key ${i}`, false, 0) !== LASTING);
  const count = known.filter(Boolean).length;
  assert.ok(known[9999] && count > 15 && count < 60, `${count}`);
  assert.ok(!known[0]);
  assert.equal(lifetimes.keepUntilMs("renewed", false, 0), 2_000_000);
});

test("what is known of a key takes no more memory than counted, and does not keep the text that the key was cut from", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const notes = 20_000;
  const bytesOfAll = notes * (160 + 2 * 24);
  const lifetimes = new KnownLifetimes(bytesOfAll * 4);
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < notes; i++) {
    const text = Buffer.alloc(4096, "x").toString("latin1") + String(i).padStart(24, "0");
    put(lifetimes, text.slice(-24), 1_000_000.5);
  }
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown <= bytesOfAll, `${grown} bytes for ${bytesOfAll} counted`);
  assert.equal(lifetimes.keepUntilMs("0".repeat(24), false, 0), 1_000_000);
});
