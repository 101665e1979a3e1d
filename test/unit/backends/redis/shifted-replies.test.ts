import assert from "node:assert/strict";
import { test } from "node:test";
import { shiftReplies } from "../../../support/shifted-replies.js";

Error.stackTraceLimit = 0;

const STREAMS = 60_000;

test(`${STREAMS} streams of replies that are out of step give each request its own answer or an error`, () => {
  const counts = shiftReplies(STREAMS, 20_261_122);
  assert.equal(counts.firstProblem, undefined);
  for (const seen of ["damaged", "answered", "failed"] as const)
    assert.ok(counts[seen] > STREAMS / 2, `${seen}: ${counts[seen]}`);
});
