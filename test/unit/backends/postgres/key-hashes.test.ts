import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KeyFilter } from "../../../../src/backends/postgres/key-filter.js";
import { KeyHashes } from "../../../../src/backends/postgres/key-hashes.js";
import { keyHash } from "../../../../src/core/key-hash.js";

test("hashes of keys tell whether batches share one, whatever the sign of the hash", () => {
  const hashesOf = (keys: readonly string[]): KeyHashes => {
    const hashes = new KeyHashes(keys.length);
    for (const key of keys) hashes.add(keyHash(key));
    return hashes;
  };
  const keys = Array.from({ length: 2000 }, (_, i) => `key ${i}`);
  const some = hashesOf(keys.slice(0, 200));
  assert.ok(keys.slice(0, 200).some((key) => keyHash(key) < 0) && keys.slice(0, 200).some((key) => keyHash(key) > 0));
  for (const [i, key] of keys.entries()) {
    assert.equal(some.has(keyHash(key)), i < 200, key);
    assert.equal(hashesOf([key]).shareOneWith(some), i < 200, key);
    assert.equal(some.shareOneWith(hashesOf([key])), i < 200, key);
  }
});

test("a filter has all that was added, whatever the sizes of those that were put together", () => {
  const size = fc.constantFrom(0, 128, 600, 5000);
  const keys = fc.array(fc.string(), { maxLength: 20 });
  fc.assert(
    fc.property(fc.array(fc.tuple(size, keys), { maxLength: 5 }), (parts) => {
      const all = new KeyFilter();
      for (const [capacity, added] of parts) {
        const part = new KeyFilter(capacity);
        for (const key of added) part.add(keyHash(key));
        all.addAll(part);
      }
      for (const [, added] of parts) assert.ok(added.every((key) => all.mayHave(keyHash(key))));
    }),
  );
});

test("a filter seldom has what was not added, and nothing once it is cleared", () => {
  for (const count of [128, 5000]) {
    const filter = new KeyFilter(count);
    for (let i = 0; i < count; i++) filter.add(keyHash(`key ${i}`));
    const strangers = Array.from({ length: 10_000 }, (_, i) => keyHash(`stranger ${i}`));
    const falseAlarms = strangers.filter((hash) => filter.mayHave(hash)).length;
    assert.ok(falseAlarms < 400, `${falseAlarms} of ${strangers.length}`);
    filter.clear();
    assert.ok(!strangers.some((hash) => filter.mayHave(hash)));
  }
});
