import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Ring } from "../../../src/core/ring.js";

test("a ring is a queue: what is pushed, put back and taken equals an array's", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("push" as const), count: fc.nat(9) }),
    fc.record({ do: fc.constant("shift" as const), count: fc.nat(9) }),
    fc.record({ do: fc.constant("put back" as const), count: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(1, 2, 3, 8), (steps, capacity) => {
      const ring = new Ring<number>(capacity);
      let model: number[] = [];
      let next = 0;
      for (const { do: what, count } of steps) {
        if (what === "put back") {
          const elements = Array.from({ length: count }, () => next++);
          ring.unshiftAll(elements);
          model = [...elements, ...model];
        } else {
          for (let i = 0; i < count; i++) {
            if (what === "push") {
              ring.push(next);
              model.push(next++);
            } else {
              assert.equal(ring.peek(), model[0]);
              assert.equal(ring.shift(), model.shift());
            }
          }
        }
        assert.equal(ring.size, model.length);
        const seen: number[] = [];
        ring.forEach((element) => {
          seen.push(element);
        });
        assert.deepEqual(seen, model);
      }
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("an empty ring has nothing to look at or to take", () => {
  const ring = new Ring<string>();
  assert.deepEqual([ring.size, ring.peek(), ring.shift()], [0, undefined, undefined]);
});
