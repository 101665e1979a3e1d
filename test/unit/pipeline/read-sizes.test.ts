import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../../../src/index.js";
import { OperationCounters } from "../../../src/pipeline/operation-counters.js";
import { ReadSizes } from "../../../src/pipeline/read-sizes.js";

/** Tells of so many answers of this length. */
function answer(counters: OperationCounters, times: number, bytes: number): void {
  for (let i = 0; i < times; i++) {
    if (bytes === 0) counters.misses++;
    else counters.hits++;
    counters.bytesRead += bytes;
  }
}

test("the mean is of what was read lately, and keys that are absent bring nothing", () => {
  const counters = new OperationCounters();
  const sizes = new ReadSizes(counters);
  assert.equal(sizes.meanBytes, 0);
  answer(counters, 300, 1000);
  assert.equal(sizes.meanBytes, 1000);
  assert.equal(sizes.meanBytes, 1000, "asked again, nothing was read meanwhile");
  answer(counters, 128, 0);
  assert.equal(sizes.meanBytes, 500);
  answer(counters, 64, 4500);
  assert.equal(sizes.meanBytes, 1500);
  answer(counters, 1000, 10);
  assert.equal(sizes.meanBytes, 10);
});

test("large values are read in batches of batching.maxBytes, small ones in full batches", async (t) => {
  const engine = await createEngine({ backend: "memory:", batching: { maxBytes: 65_536 } });
  t.after(() => engine.close());
  const keys = Array.from({ length: 256 }, (_, index) => `key ${index}`);
  const batchesOf = async (): Promise<number> => {
    const { batches } = engine.stats();
    await Promise.all(keys.map((key) => engine.get(key)));
    return engine.stats().batches - batches;
  };
  await Promise.all(keys.map((key) => engine.put(key, Buffer.alloc(8192, key))));
  await batchesOf();
  const ofLarge = await batchesOf();
  assert.ok(ofLarge >= 32 && ofLarge <= 40, `${ofLarge} batches`);
  await Promise.all(keys.map((key) => engine.put(key, "small")));
  for (let turn = 0; turn < 4; turn++) await batchesOf();
  assert.equal(await batchesOf(), 1);
});
