import assert from "node:assert/strict";
import { test } from "node:test";
import { type Expiring, TICK_MS, TimerWheel } from "../../../../src/backends/memory/timer-wheel.js";

interface Item extends Expiring {
  readonly name: string;
}

function item(name: string, expiresAtMs: number): Item {
  return { name, expiresAtMs, wheelAtMs: 0, previous: undefined, next: undefined };
}

function openWheel(nowMs = 1000): { wheel: TimerWheel<Item>; expired: string[] } {
  const expired: string[] = [];
  return { wheel: new TimerWheel<Item>(nowMs, (entry) => expired.push(entry.name)), expired };
}

const TEN_YEARS_MS = 3650 * 86_400_000;
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

test("an entry leaves within a tick after its time and never before it", () => {
  for (const lifetimeMs of [1, 255, 256, 257, 5000, 600_000, 3_000_000]) {
    const { wheel, expired } = openWheel();
    wheel.schedule(item("a", 1000 + lifetimeMs));
    for (let nowMs = 1000; nowMs < 1000 + lifetimeMs; nowMs += TICK_MS) wheel.advance(nowMs, UNBOUNDED);
    wheel.advance(1000 + lifetimeMs - 1, UNBOUNDED);
    assert.deepEqual(expired, [], `lifetime ${lifetimeMs}`);
    wheel.advance(1000 + lifetimeMs + TICK_MS, UNBOUNDED);
    assert.deepEqual(expired, ["a"], `lifetime ${lifetimeMs}`);
    assert.equal(wheel.size, 0);
  }
});

test("a lifetime of ten years waits through every rotation", () => {
  const { wheel, expired } = openWheel();
  wheel.schedule(item("old", 1000 + TEN_YEARS_MS));
  for (let day = 1; day < 3650; day++) wheel.advance(1000 + day * 86_400_000, UNBOUNDED);
  assert.deepEqual(expired, []);
  wheel.advance(1000 + TEN_YEARS_MS + TICK_MS, UNBOUNDED);
  assert.deepEqual(expired, ["old"]);
});

test("a prolonged entry leaves at its new time, a shortened one too", () => {
  const { wheel, expired } = openWheel();
  const longer = item("longer", 2000);
  const shorter = item("shorter", 50_000);
  wheel.schedule(longer);
  wheel.schedule(shorter);
  longer.expiresAtMs = 30_000;
  wheel.schedule(longer);
  shorter.expiresAtMs = 3000;
  wheel.schedule(shorter);
  wheel.advance(10_000, UNBOUNDED);
  assert.deepEqual(expired, ["shorter"]);
  wheel.advance(29_999, UNBOUNDED);
  assert.deepEqual(expired, ["shorter"]);
  wheel.advance(30_000 + TICK_MS, UNBOUNDED);
  assert.deepEqual(expired, ["shorter", "longer"]);
});

test("a cancelled entry never leaves, and cancelling twice is nothing", () => {
  const { wheel, expired } = openWheel();
  const entry = item("a", 2000);
  wheel.schedule(entry);
  wheel.cancel(entry);
  wheel.cancel(entry);
  assert.equal(wheel.size, 0);
  wheel.advance(100_000, UNBOUNDED);
  assert.deepEqual(expired, []);
});

test("a bounded run stops, goes on where it stopped and survives changes in between", () => {
  const { wheel, expired } = openWheel();
  const entries = Array.from({ length: 100 }, (_, i) => item(`${i}`, 2000));
  for (const entry of entries) wheel.schedule(entry);
  assert.equal(wheel.advance(10_000, 20), false);
  const left = entries.filter((entry) => entry.next !== undefined);
  assert.ok(left.length >= 80 && left.length < 100);
  for (const entry of left.slice(0, 10)) wheel.cancel(entry);
  wheel.schedule(item("late", 9000));
  let runs = 1;
  while (!wheel.advance(10_000, 20)) runs++;
  assert.ok(runs > 3);
  assert.equal(wheel.size, 0);
  assert.equal(expired.length, 91);
  assert.equal(new Set(expired).size, 91);
});

test("an entry already due is taken by the next run, though its tick has passed", () => {
  const { wheel, expired } = openWheel();
  wheel.schedule(item("keeps the wheel turning", 500_000));
  wheel.advance(100_000, UNBOUNDED);
  wheel.schedule(item("due", 50_000));
  wheel.advance(100_000 + TICK_MS, UNBOUNDED);
  assert.deepEqual(expired, ["due"]);
});
