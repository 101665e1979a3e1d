import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KeyMap } from "../../../src/core/key-map.js";

const step = fc.record({
  kind: fc.constantFrom("set", "delete", "get"),
  key: fc.oneof(
    fc.integer({ min: 0, max: 40 }).map((number) => `key:${number}`),
    fc.string({ maxLength: 3 }),
  ),
  value: fc.integer(),
});

test("whatever is put, taken out and asked for, it answers as a Map does", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      // The smallest capacity, so that searches run into each other and round the end.
      const map = new KeyMap<number>(4);
      const model = new Map<string, number>();
      for (const { kind, key, value } of steps) {
        if (kind === "set") {
          map.set(key, value);
          model.set(key, value);
        } else if (kind === "delete") {
          map.delete(key);
          model.delete(key);
        }
        assert.equal(map.get(key), model.get(key));
        assert.equal(map.has(key), model.has(key));
        assert.equal(map.size, model.size);
      }
      for (const [key, value] of model) assert.equal(map.get(key), value);
    }),
    { numRuns: 2000 },
  );
});

test("what is taken out is let go of", () => {
  const map = new KeyMap<object>();
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 1000; i++) map.set(`${round}:${i}`, {});
    for (let i = 0; i < 1000; i++) map.delete(`${round}:${i}`);
    assert.equal(map.size, 0);
  }
  assert.equal(map.get("3:7"), undefined);
});
