import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../bench/lib/rng.js";
import type { Batch } from "../../../src/backends/batch.js";
import type { Capabilities, Driver } from "../../../src/backends/contract.js";
import { openBackend } from "../../../src/backends/open-backend.js";
import { Kind, Request } from "../../../src/backends/request.js";
import { parseBackendUrl } from "../../../src/config/backend-url.js";
import { summaryOfCounts } from "../../../src/observability/latency-summary.js";
import { Pipeline } from "../../../src/pipeline/pipeline.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

const SETTINGS = { pool: { min: 1, max: 1, idleMs: 60_000 }, retry: { baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 } };
const OPTIONS = {
  ...{ maxSize: 64, maxBytes: 1 << 20, maxInFlight: 8, lingerMs: 0, maxPending: 100_000, overflow: "wait" as const },
  ...{ operationMs: 60_000, retry: { retries: 0, baseDelayMs: 1, maxDelayMs: 1, jitter: 0 } },
  circuitBreaker: false as const,
};
const OPERATIONS = 20_000;

/** Answers each batch after a time of its own, request by request, and each answer takes some time as well. */
function timedDriver(inner: Driver, wishes: Partial<Capabilities>, loop: VirtualLoop, random: () => number): Driver {
  return {
    ...{ name: inner.name, capabilities: { ...inner.capabilities, maxInFlight: 8, ...wishes } },
    execute(batch: Batch) {
      loop.clock.after(0.2 + random() * 3, () => {
        batch.stampResults();
        batch.forEachLeader((leader) => {
          loop.work(0.004);
          batch.succeed(leader, null);
        });
        batch.complete();
      });
    },
  } as unknown as Driver;
}

async function agreesWithObserver(wishes: Partial<Capabilities>, longestBurst: number): Promise<void> {
  const loop = new VirtualLoop();
  const random = seededRandom(5);
  const inner = await openBackend(parseBackendUrl("memory:", "backend"), SETTINGS);
  const pipeline = new Pipeline(timedDriver(inner, wishes, loop, random), OPTIONS, undefined, loop);
  const observedUs: number[] = [];
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const call = async (): Promise<void> => {
    const startedMs = loop.nowMs();
    const request = new Request(
      Kind.get,
      `key ${observedUs.length}`,
      undefined,
      0,
      undefined,
      pipeline.nowUs(),
      60_000,
    );
    await new Promise((resolve, reject) => {
      request.resolve = resolve;
      request.reject = reject;
      pipeline.submit(request);
    });
    observedUs.push((loop.nowMs() - startedMs) * 1000);
    // What a caller does with its answer: those after it have theirs so much later.
    loop.work(0.02);
  };
  const calls: Promise<void>[] = [];
  while (calls.length < OPERATIONS) {
    for (let burst = 1 + Math.floor(random() * longestBurst); burst > 0; burst--) calls.push(call());
    await turn();
    loop.clock.advance(random() * 0.8);
    await turn();
  }
  for (let i = 0; i < 2000 && observedUs.length < calls.length; i++) {
    loop.clock.advance(1);
    await turn();
  }
  await Promise.all(calls);
  pipeline.times.record();
  pipeline.times.meters.drain();
  const own = summaryOfCounts(pipeline.times.meters.latency[Kind.get]!.totals);
  observedUs.sort((a, b) => a - b);
  assert.equal(own.count, observedUs.length);
  for (const [percentile, us] of [
    [50, own.p50Us],
    [90, own.p90Us],
    [99, own.p99Us],
    [99.9, own.p999Us],
    [100, own.maxUs],
  ] as const) {
    const observed = observedUs[Math.ceil((percentile / 100) * observedUs.length) - 1]!;
    assert.ok(Math.abs(us - observed) <= observed * 0.02, `p${percentile}: ${us} here, ${observed} outside`);
  }
}

test("an observer outside that times the same calls finds the same percentiles, within two per cent", () =>
  agreesWithObserver({}, 40));

test("and so it is where callers have their answers in parts", () => agreesWithObserver({ eagerBatchSize: 32 }, 10));
