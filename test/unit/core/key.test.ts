import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalKeyOfBytes, isBinaryKey, joinKey, keyByteLength, keyBytes, writeKey } from "../../../src/core/key.js";

const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 80 }).map((array) => Buffer.from(array)),
  fc.string({ unit: "binary", minLength: 1, maxLength: 60 }).map((text) => Buffer.from(text)),
);
const text = fc.string({ unit: "binary", maxLength: 20 });
const RUNS = { seed: 7, numRuns: 3000 };

test("bytes become a canonical key and the same bytes again", () => {
  fc.assert(
    fc.property(bytes, (given) => {
      const key = canonicalKeyOfBytes(given);
      assert.deepEqual(keyBytes(key), given);
      assert.equal(keyByteLength(key), given.length);
      const target = Buffer.alloc(given.length + 3 * key.length + 3, 0xee);
      const end = writeKey(target, 2, key, key.length);
      assert.deepEqual(target.subarray(2, end), given);
    }),
    RUNS,
  );
});

test("a text and its UTF-8 bytes are one key, and no text is ever a binary key", () => {
  fc.assert(
    fc.property(text, (given) => {
      assert.equal(canonicalKeyOfBytes(Buffer.from(given)), given);
      assert.equal(isBinaryKey(given), false);
    }),
    RUNS,
  );
});

test("different bytes are different keys", () => {
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      assert.equal(canonicalKeyOfBytes(one) === canonicalKeyOfBytes(other), one.equals(other));
    }),
    RUNS,
  );
});

test("joining a namespace puts its bytes before the key's, however often", () => {
  fc.assert(
    fc.property(text, text, bytes, (outer, inner, given) => {
      const joined = joinKey(outer, joinKey(inner, canonicalKeyOfBytes(given)));
      const expected = Buffer.concat([Buffer.from(outer), Buffer.from(inner), given]);
      assert.deepEqual(keyBytes(joined), expected);
      assert.equal(joined, canonicalKeyOfBytes(expected));
      assert.equal(joined, joinKey(outer + inner, canonicalKeyOfBytes(given)));
    }),
    RUNS,
  );
});

test("keys of every length around the quick path are written whole", () => {
  for (let length = 1; length <= 130; length++) {
    for (const unit of ["k", "é", "キ"]) {
      const key = "k".repeat(length - 1) + unit;
      const target = Buffer.alloc(key.length * 3 + 8);
      assert.equal(target.toString("utf8", 5, writeKey(target, 5, key, key.length)), key);
    }
  }
});
