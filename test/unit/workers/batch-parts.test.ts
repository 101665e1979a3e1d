import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { partsOf } from "../../../src/workers/batch-parts.js";

const values = (count: number, bytes: number): string[] => Array.from({ length: count }, () => "x".repeat(bytes));

test("parts cover every value once, in order, and none is empty", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(400_000), { minLength: 1, maxLength: 40 }),
      fc.nat(5),
      fc.double({ min: 0, max: 50, noNaN: true }),
      (sizes, idleThreads, inlineMs) => {
        const inputs = sizes.map((bytes) => new Uint8Array(bytes));
        let next = 0;
        for (const { first, end } of partsOf(inputs, idleThreads, inlineMs)) {
          assert.equal(first, next);
          assert.ok(end > first);
          next = end;
        }
        assert.equal(next, inputs.length);
      },
    ),
  );
});

test("no part takes long to pack, whether threads are idle or not, unless it is one value", () => {
  for (const idleThreads of [0, 1, 4]) {
    for (const [count, bytes] of [
      [256, 262_144],
      [5000, 20_000],
      [3, 4 << 20],
    ] as const) {
      for (const { first, end } of partsOf(values(count, bytes), idleThreads, 100)) {
        assert.ok(
          end - first === 1 || (end - first) * bytes <= (1 << 20) + bytes,
          `${idleThreads}: ${first} to ${end}`,
        );
      }
    }
  }
});

test("work is spread over the idle threads as long as each has enough of it", () => {
  assert.equal(partsOf(values(64, 1024), 4, 2).length, 4);
  assert.equal(partsOf(values(64, 1024), 4, 0.7).length, 2);
  assert.equal(partsOf(values(64, 1024), 4, 0.2).length, 1);
  assert.equal(partsOf(values(64, 1024), 0, 2).length, 1);
});

test("a large batch is cut for a single thread too, a dear but small one is not", () => {
  assert.equal(partsOf(values(16, 65_536), 1, 2).length, 4);
  assert.equal(partsOf(values(256, 1024), 1, 3).length, 1);
});
