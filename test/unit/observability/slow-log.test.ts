import assert from "node:assert/strict";
import { test } from "node:test";
import { SlowLog, type SlowOperation } from "../../../src/observability/slow-log.js";

function slow(atMs: number, latencyMs: number): SlowOperation {
  return {
    ...{ atMs, latencyMs, operation: "get", key: "k", backend: "memory", phases: null },
    ...{ batchSize: 1, attempts: 1, eventLoopLagMs: 0, error: null },
  };
}

test("the latest and the slowest are kept, each once, latest first", () => {
  const log = new SlowLog(3);
  const latencies = [900, 10, 800, 20, 700, 30, 40, 50];
  for (const [atMs, latencyMs] of latencies.entries()) log.add(slow(atMs, latencyMs));
  assert.deepEqual(
    log.operations().map(({ atMs, latencyMs }) => [atMs, latencyMs]),
    [
      [7, 50],
      [6, 40],
      [5, 30],
      [4, 700],
      [2, 800],
      [0, 900],
    ],
  );
});

test("however many are added, no more than twice the capacity are kept", () => {
  const log = new SlowLog(8);
  for (let atMs = 0; atMs < 10_000; atMs++) log.add(slow(atMs, (atMs * 7919) % 10_007));
  const kept = log.operations();
  assert.ok(kept.length <= 16);
  const slowest = Array.from({ length: 10_000 }, (_, i) => (i * 7919) % 10_007)
    .sort((a, b) => b - a)
    .slice(0, 8);
  assert.ok(slowest.every((latencyMs) => kept.some((operation) => operation.latencyMs === latencyMs)));
});
