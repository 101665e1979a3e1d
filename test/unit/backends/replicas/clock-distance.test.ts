import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  between,
  type ClockDistance,
  clockDistance,
  narrowed,
} from "../../../../src/backends/replicas/clock-distance.js";

test("what questions with their answers say of two clocks together holds for them, and more narrowly than one", () => {
  const trip = fc.record({
    outMs: fc.double({ min: 0.01, max: 80, noNaN: true }),
    backMs: fc.double({ min: 0.01, max: 80, noNaN: true }),
  });
  const distance = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(
      distance,
      distance,
      fc.array(fc.tuple(trip, trip), { minLength: 1, maxLength: 12 }),
      (one, other, trips) => {
        const measured = (
          aheadMs: number,
          atMs: number,
          { outMs, backMs }: { outMs: number; backMs: number },
        ): ClockDistance => clockDistance(atMs + outMs + aheadMs, atMs, atMs + outMs + backMs);
        let first: ClockDistance | undefined;
        let second: ClockDistance | undefined;
        for (const [index, [a, b]] of trips.entries()) {
          const nextFirst = measured(one, index * 50, a);
          const nextSecond = measured(other, index * 50, b);
          first = first === undefined ? nextFirst : narrowed(first, nextFirst, 50);
          second = second === undefined ? nextSecond : narrowed(second, nextSecond, 50);
          assert.ok(first.mostMs - first.leastMs <= nextFirst.mostMs - nextFirst.leastMs + 1e-6);
          const { leastMs, mostMs } = between(first, second, 0);
          assert.ok(leastMs <= one - other + 1e-6 && mostMs >= one - other - 1e-6);
        }
      },
    ),
  );
});

test("a clock that was set is where it was seen last", () => {
  assert.deepEqual(narrowed({ leastMs: 10, mostMs: 12 }, { leastMs: 100, mostMs: 104 }, 50), {
    leastMs: 100,
    mostMs: 104,
  });
});
