import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import type { Driver } from "../../../src/backends/contract.js";
import { Kind, Request } from "../../../src/backends/request.js";
import { Pipeline } from "../../../src/pipeline/pipeline.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

const MAX_SIZE = 40;
const OPTIONS = {
  ...{ maxSize: MAX_SIZE, maxBytes: 1 << 20, maxInFlight: 8, lingerMs: 0, maxPending: 100_000 },
  ...{
    overflow: "wait" as const,
    operationMs: 60_000,
    retry: { retries: 0, baseDelayMs: 1, maxDelayMs: 1, jitter: 0 },
  },
  circuitBreaker: false as const,
};

/** A pipeline over a store that wants two small batches at once, and answers when it is told to. */
function scene() {
  const loop = new VirtualLoop();
  const sent: Batch[] = [];
  const driver = {
    name: "held",
    capabilities: { maxInFlight: 8, smallBatches: 2, expiry: true, transactions: true },
    execute: (batch: Batch) => void sent.push(batch),
  } as unknown as Driver;
  const pipeline = new Pipeline(driver, OPTIONS, undefined, loop);
  let keys = 0;
  const call = async (operations: number): Promise<void> => {
    for (let i = 0; i < operations; i++) {
      const request = new Request(Kind.get, `key ${keys++}`, undefined, 0, undefined, pipeline.nowUs(), 60_000);
      request.resolve = () => {};
      pipeline.submit(request);
    }
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const answer = async (batch: Batch): Promise<void> => {
    batch.forEachLeader((leader) => batch.succeed(leader, null));
    batch.complete();
    await call(0);
  };
  return { loop, sent, call, answer, sizes: () => sent.map(({ size }) => size) };
}

test("with so many small batches under way the next waits for one to end, and grows meanwhile", async () => {
  const { sent, call, answer, sizes } = scene();
  await call(1);
  await call(2);
  await call(3);
  await call(4);
  assert.deepEqual(sizes(), [1, 2]);
  await answer(sent[1]!);
  assert.deepEqual(sizes(), [1, 2, 7]);
});

test("it waits no longer once it is a quarter full", async () => {
  const { call, sizes } = scene();
  await call(1);
  await call(1);
  await call(MAX_SIZE / 4 - 1);
  assert.deepEqual(sizes(), [1, 1]);
  await call(1);
  assert.deepEqual(sizes(), [1, 1, MAX_SIZE / 4]);
  await call(MAX_SIZE);
  assert.deepEqual(sizes(), [1, 1, MAX_SIZE / 4, MAX_SIZE]);
});

test("where those under way take long it goes after 20 ms, and so does the next", async () => {
  const { loop, call, sizes } = scene();
  await call(1);
  await call(1);
  await call(3);
  loop.clock.advance(19);
  await call(0);
  assert.deepEqual(sizes(), [1, 1]);
  loop.clock.advance(1);
  await call(0);
  assert.deepEqual(sizes(), [1, 1, 3]);
  await call(2);
  assert.deepEqual(sizes(), [1, 1, 3]);
  loop.clock.advance(20);
  await call(0);
  assert.deepEqual(sizes(), [1, 1, 3, 2]);
});
