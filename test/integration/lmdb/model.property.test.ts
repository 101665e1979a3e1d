import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createMemoryDriver } from "../../../src/backends/memory/memory-driver.js";
import { BatchProbe, driverContext } from "../../support/batch-probe.js";
import { openLmdb, temporaryFolder } from "../../support/lmdb-scope.js";

const KEYS = ["a", "b", "c"];

/** What a batch asks of one key; a read may stand beside a write, as `Batch` allows. */
const keyPlan = fc.record({
  read: fc.constantFrom("none", "get", "contains"),
  write: fc.constantFrom("none", "put", "put with lifetime", "delete", "delete and put", "other"),
  other: fc.constantFrom("increment", "increments", "swap", "set", "take", "ttl", "expire", "transaction"),
  number: fc.integer({ min: 0, max: 3 }),
});
type KeyPlan = typeof keyPlan extends fc.Arbitrary<infer Plan> ? Plan : never;

const batchPlan = fc.record({
  keys: fc.tuple(keyPlan, keyPlan, keyPlan),
  /** Wait for this batch before the next is handed over. */
  wait: fc.boolean(),
});

function ask(probe: BatchProbe, key: string, plan: KeyPlan): Promise<unknown>[] {
  const asked: Promise<unknown>[] = [];
  const value = String(plan.number);
  if (plan.write !== "other" && plan.read === "get") asked.push(probe.get(key));
  if (plan.write !== "other" && plan.read === "contains") asked.push(probe.contains(key));
  if (plan.write === "delete" || plan.write === "delete and put") asked.push(probe.delete(key));
  if (plan.write === "put" || plan.write === "delete and put") asked.push(probe.put(key, value));
  if (plan.write === "put with lifetime") asked.push(probe.put(key, value, 10_000));
  if (plan.write === "other") asked.push(...askOther(probe, key, value, plan));
  return asked;
}

function askOther(probe: BatchProbe, key: string, value: string, plan: KeyPlan): Promise<unknown>[] {
  switch (plan.other) {
    case "increment":
      return [probe.increment(key, BigInt(plan.number))];
    case "increments":
      return [probe.increment(key, 1n), probe.increment(key, BigInt(plan.number))];
    case "swap":
      return [probe.compareAndSwap(key, plan.number === 0 ? null : value, String(plan.number + 1))];
    case "set":
      return [probe.setIfNotExists(key, value)];
    case "take":
      return [probe.getAndDelete(key)];
    case "ttl":
      return [probe.ttl(key)];
    case "expire":
      return [probe.expire(key, plan.number * 1000)];
    case "transaction":
      return [probe.transaction([{ type: "put", key, value, ttlMs: 0 }])];
  }
}

test("whatever batches are handed over, awaited or not, LMDB answers what the memory model answers", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  await fc.assert(
    fc.asyncProperty(fc.array(batchPlan, { maxLength: 12 }), async (plans) => {
      await driver.clear("");
      const model = createMemoryDriver({ clock: { monotonicMs: () => 0, wallMs: () => 0 } });
      await model.open(driverContext());
      const actual: Promise<unknown>[] = [];
      const expected: Promise<unknown>[] = [];
      for (const plan of plans) {
        const probe = new BatchProbe(driver);
        const modelProbe = new BatchProbe(model);
        for (const [index, key] of KEYS.entries()) {
          actual.push(...ask(probe, key, plan.keys[index]!));
          expected.push(...ask(modelProbe, key, plan.keys[index]!));
        }
        probe.send();
        modelProbe.send();
        if (plan.wait) await probe.completion;
      }
      assert.deepEqual(await Promise.all(actual), await Promise.all(expected));
      await model.close();
    }),
    { numRuns: 150 },
  );
});
