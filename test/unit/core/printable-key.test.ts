import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalKeyOfBytes } from "../../../src/core/key.js";
import { printableKey } from "../../../src/core/printable-key.js";

test("a shown key has at most 64 bytes and no control characters", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      const shown = printableKey(canonicalKeyOfBytes(bytes));
      assert.ok(Buffer.byteLength(shown.replace(/…$/, "")) <= 64);
      assert.ok(!/\p{Cc}/u.test(shown));
    }),
    { seed: 7, numRuns: 2000 },
  );
});

test("a shown key that was cut ends with an ellipsis, one of 64 bytes is whole", () => {
  assert.equal(printableKey("k".repeat(64)), "k".repeat(64));
  assert.equal(printableKey("k".repeat(65)), `${"k".repeat(64)}…`);
  assert.equal(printableKey(canonicalKeyOfBytes(Buffer.of(0xff, 0x41))), "\\xffA");
});
