import assert from "node:assert/strict";
import { test } from "node:test";
import { Kind, Request } from "../../../src/backends/request.js";
import { ConnectionError } from "../../../src/core/errors.js";
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

test("of writes that may have been applied, only those are tried again whose lifetime does not end meanwhile", () => {
  const policy = new RetryPolicy(OPTIONS, () => 0, 0);
  const lost = new ConnectionError("lost", { outcome: "unknown", retryable: true });
  const refused = new ConnectionError("refused", { outcome: "not-applied", retryable: true });
  const timeoutMs = 3000;
  for (const kind of [Kind.put, Kind.expire]) {
    const allowed = [0, 1, timeoutMs, timeoutMs + 1].map((ttlMs) => {
      const request = new Request(kind, "key", kind === Kind.put ? "v" : undefined, ttlMs, undefined, 0, timeoutMs);
      assert.equal(policy.allows(request, refused), true);
      return policy.allows(request, lost);
    });
    assert.deepEqual(allowed, [true, false, false, true]);
  }
  const increment = new Request(Kind.increment, "key", undefined, 0, 1n, 0, timeoutMs);
  assert.equal(policy.allows(increment, lost), false);
});
