import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzReplies } from "../../../support/reply-fuzz.js";

Error.stackTraceLimit = 0;

const STREAMS = 60_000;
const MAX_SLAB_BYTES = 2 * 1024 * 1024;

test(`${STREAMS} damaged streams of replies answer each request once, with no value of another key, in little memory`, async () => {
  const counts = await fuzzReplies(STREAMS, 20_261_121);
  assert.equal(counts.firstProblem, undefined);
  assert.deepEqual([counts.foreign, counts.crashed], [0, 0]);
  assert.ok(counts.peakSlabBytes <= MAX_SLAB_BYTES, `${counts.peakSlabBytes} bytes for what came in`);
  for (const seen of ["whole", "refused", "cut", "right", "unmarked"] as const) {
    assert.ok(counts[seen] > 100, `only ${counts[seen]} ${seen}`);
  }
});
