import assert from "node:assert/strict";
import { test } from "node:test";
import { RetryPolicy } from "../../../src/pipeline/retry-policy.js";

const OPTIONS = { retries: 3, baseDelayMs: 100, maxDelayMs: 5000, jitter: 0 };
const HOUR_MS = 3_600_000;

function granted(policy: RetryPolicy, nowMs: number, settled: number): number {
  let count = 0;
  while (policy.spend(nowMs, settled)) count++;
  return count;
}

test("retries may add a fifth of ten seconds' traffic, however long nothing failed before", () => {
  const perSecond = 10_000;
  const policy = new RetryPolicy(OPTIONS, () => 0, 0);
  assert.equal(granted(policy, HOUR_MS, perSecond * 3600), 20_000);
  assert.equal(granted(policy, HOUR_MS + 5000, perSecond * 3605), 0);
  assert.equal(granted(policy, HOUR_MS + 10_000, perSecond * 3610), 20_000);
});

test("little traffic has a thousand retries in ten seconds", () => {
  const policy = new RetryPolicy(OPTIONS, () => 0, 0);
  assert.equal(granted(policy, 100, 5), 1000);
  assert.equal(granted(policy, HOUR_MS, 10), 1000);
});
