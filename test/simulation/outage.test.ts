import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../bench/lib/rng.js";
import { Kind } from "../../src/backends/request.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { Call } from "./history.js";
import { SimulatedDriver } from "./simulated-driver.js";
import { SimulatedLoop } from "./simulated-loop.js";
import { SimulatedServer } from "./simulated-server.js";
import { Workload } from "./workload.js";

Error.stackTraceLimit = 0;

const OUTAGE_MS = 10 * 60_000;
const EVERY_MS = 40;
const CALLS = 20;
const MAX_PENDING = 500;
const OPERATION_MS = 500;

for (const circuitBreaker of [false, { failures: 10, resetMs: 1000 }] as const) {
  const circuit = circuitBreaker === false ? "no circuit breaker" : "a circuit breaker";
  test(`ten virtual minutes without a server, with ${circuit}, keep no more than maxPending calls, and end within two seconds`, () => {
    const loop = new SimulatedLoop(seededRandom(1));
    const server = new SimulatedServer(loop, 2);
    const driver = new SimulatedDriver(server, {
      seed: 3,
      keysPerCommand: 128,
      eagerBatchSize: 32,
      smallBatches: undefined,
      writingBatches: undefined,
      batchSize: undefined,
      keyGroups: undefined,
      silenceMs: OPERATION_MS,
      connectTimeoutMs: 100,
      reconnectMs: 10,
    });
    const options = {
      maxSize: 512,
      maxBytes: 1 << 20,
      maxInFlight: 8,
      lingerMs: 0,
      maxPending: MAX_PENDING,
      overflow: "reject",
      operationMs: OPERATION_MS,
      retry: { retries: 3, baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 },
      circuitBreaker,
    } as const;
    const pipeline = new Pipeline(driver, options, undefined, loop);
    driver.onReconnected = () => pipeline.reconnected();
    const shape = { keys: 100, operationMs: OPERATION_MS, oddDeadlineShare: 0, abortedShare: 0 };
    const calls: Call[] = [];
    const workload = new Workload(0, pipeline, loop, seededRandom(4), shape, calls);
    const seen = { calls: 0, sent: 0, atOnce: 0, mostPending: 0 };
    const look = (): void => {
      const open = calls.filter((call) => call.answers === 0);
      for (const call of calls) {
        if (call.answers === 0) continue;
        seen.calls++;
        assert.equal(call.answers, 1);
        assert.ok(call.settledMs <= call.deadlineMs + 3, "late");
        if (call.outcome === "unknown") seen.sent++;
        if (call.failure.startsWith("CIRCUIT_OPEN")) {
          assert.equal(call.settledMs, call.calledMs, "an open circuit answers in the call");
          seen.atOnce++;
        }
      }
      calls.length = 0;
      calls.push(...open);
    };
    const offer = (): void => {
      for (let i = 0; i < CALLS; i++) workload.call();
      seen.mostPending = Math.max(seen.mostPending, pipeline.pendingWork.operations, calls.length);
      look();
      if (loop.nowMs() < OUTAGE_MS) loop.setTimer(EVERY_MS, offer);
    };
    server.kill();
    loop.setTimer(EVERY_MS, offer);
    loop.runUntil(OUTAGE_MS + OPERATION_MS * 2);
    look();
    assert.ok(seen.calls > 250_000, `only ${seen.calls} calls`);
    assert.ok(seen.mostPending <= MAX_PENDING + CALLS, `${seen.mostPending} calls were kept`);
    assert.equal(calls.length, 0);
    if (circuitBreaker !== false) assert.ok(seen.atOnce > seen.calls / 2, `${seen.atOnce} of ${seen.calls} at once`);
    assert.equal(server.store.executions.size, 0, "something called in the outage was carried out");

    server.troubles.isDown = false;
    loop.runUntil(loop.nowMs() + 2000);
    loop.setTimer(0, () => workload.submit(Kind.put, "after", "value", 0, undefined));
    loop.runUntil(loop.nowMs() + 10);
    assert.equal(calls.at(-1)?.outcome, "ok");
  });
}
