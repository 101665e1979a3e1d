import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryDriver } from "../../../src/backends/memory/memory-driver.js";
import { createEngine } from "../../../src/index.js";

test("explain says how operations were gathered, why batches ended and how many shared a command", async () => {
  const engine = await createEngine({ backend: "memory:", batching: { maxSize: 10, maxBytes: 1024 } });
  assert.deepEqual(engine.explain().sizes, { mean: 0, p50: 0, p90: 0, p99: 0, max: 0 });
  assert.match(engine.explain().text, /No batch/);

  await Promise.all(Array.from({ length: 10 }, (_, index) => engine.put(`full ${index}`, "v")));
  await Promise.all([engine.put("large 1", "x".repeat(900)), engine.put("large 2", "x".repeat(900))]);
  await Promise.all([engine.get("same"), engine.get("same"), engine.get("same")]);
  await Promise.all([engine.put("key", "1"), engine.increment("key")]);

  const report = engine.explain();
  const { batches, coalesced, cuts } = engine.stats();
  assert.deepEqual([report.batches, report.operations, report.coalesced], [batches, 17, coalesced]);
  assert.equal(coalesced, 2);
  assert.equal(report.coalescingRate, 2 / 17);
  for (const [cut, { batches: ended, share }] of Object.entries(report.cuts)) {
    assert.equal(ended, cuts[cut as keyof typeof cuts]);
    assert.equal(share, ended / batches);
  }
  assert.ok(cuts.size === 1 && cuts.bytes === 1 && cuts.hazard === 1, JSON.stringify(cuts));
  assert.deepEqual([report.sizes.mean, report.sizes.p50, report.sizes.max], [17 / batches, 1, 10]);
  assert.match(report.text, /17 operations went in \d+ batches: .* 10 at most/);
  assert.match(report.text, /1 batch \(\d+ %\) ended because they were full by bytes \(batching\.maxBytes 1024\)/);
  await engine.close();
  assert.deepEqual(engine.namespace("view").explain().cuts, report.cuts);
});

test("explain names the size that the driver finds worth while, where batches are of that", async () => {
  const driver = createMemoryDriver();
  Object.defineProperty(driver, "capabilities", { value: { ...driver.capabilities, batchSize: 4 } });
  const engine = await createEngine({ backend: driver, batching: { maxSize: 10 } });
  await Promise.all(Array.from({ length: 7 }, (_, index) => engine.put(`key ${index}`, "v")));
  const { sizes, text } = engine.explain();
  assert.equal(sizes.max, 4);
  assert.match(text, /they were full by count \(batching\.maxSize 10; usually 4 on memory\)/);
  await engine.close();
});
