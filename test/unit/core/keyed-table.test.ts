import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keyHash } from "../../../src/core/key-hash.js";
import { KeyedTable } from "../../../src/core/keyed-table.js";

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
      const table = new KeyedTable<{ key: string; value: number }>(4);
      const model = new Map<string, number>();
      for (const { kind, key, value } of steps) {
        if (kind === "set") {
          table.delete(key, keyHash(key));
          table.add({ key, value }, keyHash(key));
          model.set(key, value);
        } else if (kind === "delete") {
          assert.equal(table.delete(key, keyHash(key))?.value, model.get(key));
          model.delete(key);
        }
        assert.equal(table.find(key, keyHash(key))?.value, model.get(key));
        assert.equal(table.size, model.size);
      }
      const all = new Map<string, number>();
      table.forEach(({ key, value }) => {
        all.set(key, value);
      });
      assert.deepEqual(new Map([...all].sort()), new Map([...model].sort()));
    }),
    { numRuns: 2000 },
  );
});

test("what is taken out is let go of", () => {
  const table = new KeyedTable<{ key: string }>();
  for (let round = 0; round < 50; round++) {
    const keys = Array.from({ length: 1000 }, (_, i) => `${round}:${i}`);
    for (const key of keys) table.add({ key }, keyHash(key));
    for (const key of keys) table.delete(key, keyHash(key));
    assert.equal(table.size, 0);
  }
  table.forEach(() => {
    assert.fail("something is left");
  });
});
