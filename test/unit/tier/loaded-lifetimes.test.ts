import assert from "node:assert/strict";
import { test } from "node:test";
import { LASTING } from "../../../src/tier/known-lifetimes.js";
import { LoadedLifetimes } from "../../../src/tier/loaded-lifetimes.js";

/** Of loads whose entries end in these spans. */
function loaded(...spans: readonly (readonly [number, number])[]): LoadedLifetimes {
  const lifetimes = new LoadedLifetimes();
  for (const [fromMs, toMs] of spans) lifetimes.add(fromMs, toMs, 0);
  return lifetimes;
}

const answers = (lifetimes: LoadedLifetimes, ...times: number[]): number[] =>
  times.map((readAtMs) => lifetimes.keepUntilMs(readAtMs));

test("what is read before a load's entries may end is kept until then, within that time not at all, later for ever", () => {
  assert.deepEqual(answers(loaded(), 0), [LASTING]);
  const one = loaded([100.7, 119.2]);
  assert.deepEqual(answers(one, 0, 99, 100, 119, 120), [100, 100, 100, 100, LASTING]);
});

test("of several loads the next to end counts, in whatever order they came", () => {
  for (const spans of [
    [
      [100, 110],
      [200, 210],
      [300, 310],
    ],
    [
      [300, 310],
      [100, 110],
      [200, 210],
    ],
  ] as const) {
    assert.deepEqual(answers(loaded(...spans), 0, 105, 110, 205, 299, 310), [100, 100, 200, 200, 300, LASTING]);
  }
  const overlapping = loaded([100, 110], [200, 210], [105, 205]);
  assert.deepEqual(answers(overlapping, 0, 111, 209, 210), [100, 100, 100, LASTING]);
});

test("of very many loads those that end closest to one another become one, on the safe side", () => {
  const lifetimes = loaded();
  for (let load = 0; load < 1000; load++) lifetimes.add(load * 100, load * 100 + 10, 0);
  for (let load = 0; load < 1000; load++) {
    const untilMs = lifetimes.keepUntilMs(load * 100 + 5);
    assert.ok(untilMs <= load * 100 + 5, `a load's entry is kept until ${untilMs}`);
  }
  const ends = new Set(Array.from({ length: 1000 }, (_, load) => lifetimes.keepUntilMs(load * 100)));
  assert.ok(ends.size <= 256, `${ends.size}`);
  assert.equal(lifetimes.keepUntilMs(99_910), LASTING);
});

test("a load is forgotten when no read can have begun before its end", () => {
  const lifetimes = loaded([100, 110]);
  lifetimes.add(1_000_000, 1_000_010, 600_110);
  assert.deepEqual(answers(lifetimes, 50), [100]);
  lifetimes.add(1_000_000, 1_000_010, 600_111);
  assert.deepEqual(answers(lifetimes, 50), [1_000_000]);
});
