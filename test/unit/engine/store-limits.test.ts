import assert from "node:assert/strict";
import { test } from "node:test";
import type { Driver } from "../../../src/backends/contract.js";
import { createMemoryDriver } from "../../../src/backends/memory/memory-driver.js";
import { metadataText } from "../../../src/engine/row-calls.js";
import { createEngine } from "../../../src/index.js";

/** The memory store with other abilities. */
function driverWith(changes: Partial<Driver>): Driver {
  const inner = createMemoryDriver();
  return new Proxy(inner, {
    get(target, name) {
      if (name in changes) return changes[name as keyof Driver];
      const part = Reflect.get(target, name) as unknown;
      return typeof part === "function" ? part.bind(target) : part;
    },
  });
}

const lasting = (): Driver => driverWith({ capabilities: { ...createMemoryDriver().capabilities, expiry: false } });
const refused = { code: "UNSUPPORTED", reason: "ERR_UNSUPPORTED_OPTION", backend: "memory" };

test("a store that cannot let entries expire is asked for no lifetime", async (t) => {
  const engine = await createEngine({ backend: lasting() });
  t.after(() => engine.close());
  await assert.rejects(engine.put("a", "1", { ttlMs: 1000 }), { ...refused, operation: "put", key: "a" });
  await assert.rejects(engine.batchPut([["a", "1"]], { ttlMs: 1000 }), { ...refused, operation: "batchPut" });
  await assert.rejects(engine.setIfNotExists("a", "1", { ttlMs: 1000 }), refused);
  await assert.rejects(engine.compareAndSwap("a", null, "1", { ttlMs: 1000 }), refused);
  await assert.rejects(engine.expire("a", 1000), refused);
  await assert.rejects(engine.transaction([{ type: "put", key: "a", value: "1", ttlMs: 1000 }]), refused);
  assert.equal(await engine.contains("a"), false);
  await engine.put("a", "1", { ttlMs: null });
  assert.equal(String(await engine.get("a")), "1");
});

test("nor for one that all entries have", async () => {
  await assert.rejects(createEngine({ backend: lasting(), defaultTtlMs: 1000 }), refused);
});

test("a store without transactions is asked for none", async (t) => {
  const capabilities = { ...createMemoryDriver().capabilities, transactions: false };
  const engine = await createEngine({ backend: driverWith({ capabilities }) });
  t.after(() => engine.close());
  const call = engine.transaction([{ type: "put", key: "a", value: "1" }]);
  await assert.rejects(call, { code: "UNSUPPORTED", operation: "transaction", outcome: "not-applied" });
  assert.equal(await engine.get("a"), null);
});

test("bulkLoad refuses what is no entry, and what holds none", async (t) => {
  const bulkLoad = async (entries: AsyncIterable<unknown>): Promise<number> => {
    let count = 0;
    for await (const _ of entries) count++;
    return count;
  };
  const engine = await createEngine({ backend: driverWith({ bulk: { bulkLoad } }) });
  t.after(() => engine.close());
  const invalid = { code: "INVALID_ARGUMENT", operation: "bulkLoad", backend: "memory" };
  for (const entries of [undefined, null, 5, {}] as unknown as [string, string][][]) {
    await assert.rejects(engine.bulkLoad(entries), { ...invalid, reason: "ERR_BATCH_TYPE" });
  }
  for (const entry of [undefined, "key", { key: "a" }] as unknown as [string, string][]) {
    await assert.rejects(engine.bulkLoad([["a", "1"], entry]), { ...invalid, reason: "ERR_BATCH_ENTRY" });
  }
  assert.equal(await engine.bulkLoad([["a", "1"]]), 1);
  assert.equal(await engine.bulkLoad(new Map([["a", "1"]])), 1);
});

test("metadata that JSON makes something else of is refused", () => {
  for (const json of [undefined, "text", 5, null, [1]]) {
    assert.throws(() => metadataText("put", "key", { toJSON: () => json }, "postgres"), {
      ...{ code: "INVALID_ARGUMENT", reason: "ERR_METADATA", key: "key" },
    });
  }
  assert.equal(metadataText("put", "key", { toJSON: () => ({ a: 1 }) }, "postgres"), '{"a":1}');
});

test("bytes written are those of values that were stored, a transaction's among them", async (t) => {
  const engine = await createEngine({ backend: "memory:" });
  t.after(() => engine.close());
  await engine.put("a", "12345");
  assert.equal(await engine.setIfNotExists("a", "x".repeat(100)), false);
  assert.equal(await engine.compareAndSwap("a", "no", "x".repeat(100)), false);
  assert.equal(engine.stats().bytesWritten, 5);
  await engine.transaction([
    { type: "put", key: "bb", value: "123" },
    { type: "delete", key: "a" },
  ]);
  assert.ok(engine.stats().bytesWritten > 5);
});

test("a batch that finds the queue full counts as so many failed operations", async (t) => {
  const engine = await createEngine({ backend: "memory:", queue: { maxPending: 5, overflow: "reject" } });
  t.after(() => engine.close());
  const entries = Array.from({ length: 8 }, (_, i) => [`key ${i}`, "value"] as const);
  await assert.rejects(engine.batchPut(entries), { code: "QUEUE_FULL", operation: "batchPut" });
  assert.equal(engine.stats().operationsFailed, 8);
  assert.match(await engine.metrics.metrics(), /errors_total\{[^}]*QUEUE_FULL[^}]*\} 8/);
});
