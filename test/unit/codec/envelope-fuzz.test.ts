import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzEnvelopes } from "../../support/envelope-fuzz.js";

const MAX_EXTRA_BYTES = 256 * 1024 * 1024;

test("of 100,000 damaged envelopes none crashes the decoder, gives wrong bytes or takes memory for its claims", async () => {
  const counts = await fuzzEnvelopes(100_000, 20);
  assert.equal(counts.firstProblem, undefined);
  assert.deepEqual([counts.wrong, counts.crashed], [0, 0]);
  assert.ok(counts.peakExtraBytes <= MAX_EXTRA_BYTES, `took ${counts.peakExtraBytes} bytes`);
  // Every kind of outcome has been met, or the damage would be too tame to show anything.
  for (const kind of ["right", "foreign", "forged", "refused"] as const) {
    assert.ok(counts[kind] > 500, `${kind}: ${counts[kind]}`);
  }
});
