import assert from "node:assert/strict";
import { test } from "node:test";
import { ClosedError, type Engine } from "../../src/index.js";
import type { Store } from "../support/stores.js";
import { textAt } from "./single-key-calls.js";

/** healthCheck, memoryUsage, serverInfo, stats, flush, close. */
export function testLifecycle(store: Store): void {
  test(`${store.name}: healthCheck, memoryUsage and serverInfo tell about the store`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", Buffer.alloc(50_000, "x"));
    const health = await engine.healthCheck();
    assert.equal(health.healthy, true);
    assert.equal(health.backend, store.name);
    assert.ok(health.latencyMs >= 0 && health.detail.length > 0);
    assert.ok((await engine.memoryUsage()) > 0);
    const facts = Object.entries(await engine.serverInfo());
    assert.ok(facts.length > 0 && facts.every(([name, value]) => name !== "" && typeof value === "string"));
  });

  test(`${store.name}: stats count operations, hits, bytes, failures and time them`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "four");
    await engine.get("a");
    await engine.get("absent");
    await engine.batchGet(["a", "a", "absent"]);
    await engine.put("word", "x");
    await assert.rejects(engine.increment("word"));
    const stats = engine.stats();
    assert.equal(stats.operationsTotal, 8);
    assert.equal(stats.operationsSucceeded, 7);
    assert.equal(stats.operationsFailed, 1);
    assert.equal(stats.errorRate, 1 / 8);
    assert.equal(stats.hits, 3);
    assert.equal(stats.misses, 2);
    assert.equal(stats.hitRate, 3 / 5);
    assert.equal(stats.bytesWritten, 5);
    assert.equal(stats.bytesRead, 12);
    assert.equal(stats.pending, 0);
    assert.equal(stats.inFlightBatches, 0);
    assert.ok(stats.batches >= 5 && stats.batches <= 8);
    assert.equal(stats.averageBatchSize, (8 - (stats.cache?.hits ?? 0)) / stats.batches);
    assert.equal(stats.circuit, "closed");
    assert.equal(stats.latency.get?.count, 2);
    assert.equal(stats.latency.put?.count, 2);
    assert.equal(stats.latency.batchGet?.count, 1);
    assert.equal(stats.latency.delete, undefined);
    assert.ok(stats.latency.get!.p50Us <= stats.latency.get!.p999Us);
  });

  test(`${store.name}: stats show what compression saved`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "abcdefgh".repeat(1000));
    const { bytesBeforeCompression, bytesAfterCompression, compressionRatio } = engine.stats();
    assert.equal(bytesBeforeCompression, 8000);
    assert.ok(bytesAfterCompression > 0 && bytesAfterCompression < 800);
    assert.equal(compressionRatio, bytesBeforeCompression / bytesAfterCompression);
  });

  test(`${store.name}: concurrent calls share batches`, async (t) => {
    const engine = await (await store.place(t)).open();
    await Promise.all(Array.from({ length: 1000 }, (_, i) => engine.put(`key ${i % 100}`, `${i}`)));
    const { averageBatchSize, coalesced } = engine.stats();
    assert.ok(averageBatchSize > 10, `${averageBatchSize} operations in a batch`);
    assert.ok(coalesced > 0);
  });

  test(`${store.name}: flush resolves after everything called before it`, async (t) => {
    const engine = await (await store.place(t)).open({ batching: { maxSize: 4, maxInFlight: 2 } });
    let settled = 0;
    for (let i = 0; i < 100; i++) void engine.put(`key ${i}`, "1").then(() => settled++);
    for (let i = 0; i < 10; i++)
      void engine.compareAndSwap("counter", i === 0 ? null : `${i}`, `${i + 1}`).then(() => settled++);
    await engine.flush();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(settled, 110);
    await engine.flush();
  });

  test(`${store.name}: close drains what was called before, refuses what is called later, and may be repeated`, async (t) => {
    const engine = await (await store.place(t)).open({ batching: { maxSize: 10, maxInFlight: 1 } });
    const view = engine.namespace("n:");
    const writes = Array.from({ length: 200 }, (_, i) => engine.put(`key ${i}`, "1"));
    const reads = Array.from({ length: 200 }, (_, i) => textAt(engine, `key ${i}`));
    const closing = engine.close();
    const late = (call: Promise<unknown>): Promise<void> =>
      assert.rejects(call, (error) => {
        assert.ok(error instanceof ClosedError);
        assert.equal(error.outcome, "not-applied");
        assert.equal(error.backend, store.name);
        return true;
      });
    await Promise.all(everyCall(engine).map(late));
    await Promise.all(everyCall(view).map(late));
    await Promise.all(writes);
    assert.ok((await Promise.all(reads)).every((value) => value === "1"));
    await closing;
    await Promise.all([engine.close(), engine.close(), view.close()]);
    await Promise.all(everyCall(engine).map(late));
    assert.equal(engine.stats().pending, 0);
    await engine.flush();
  });

  test(`${store.name}: a clear, a count and a scan called before close come to an end`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut(Array.from({ length: 1500 }, (_, i) => [`key ${i}`, "1"] as const));
    const count = engine.count("key 2");
    const keys = engine.listKeys("key 3");
    const clearing = engine.clear("key 1");
    const closing = engine.close();
    assert.equal(await count, 111);
    assert.equal((await keys).length, 111);
    assert.equal(await clearing, 611);
    await closing;
  });

  test(`${store.name}: a scan that goes on after close ends with ClosedError`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut(Array.from({ length: 3000 }, (_, i) => [`key ${i}`, "1"] as const));
    const scan = engine.keys()[Symbol.asyncIterator]();
    assert.equal((await scan.next()).done, false);
    await engine.close();
    const goOn = async (): Promise<void> => {
      while (!(await scan.next()).done);
    };
    await assert.rejects(goOn(), { code: "CLOSED" });
  });

  test(`${store.name}: an engine closes itself at the end of its scope`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine[Symbol.asyncDispose]();
    await assert.rejects(engine.get("a"), { code: "CLOSED" });
  });

  if (store.isShared) {
    test(`${store.name}: what an engine had acknowledged is there for the next one`, async (t) => {
      const place = await store.place(t);
      const first = await place.open();
      await first.put("a", "1");
      void first.put("b", "2");
      await first.close();
      const second = await place.open();
      assert.deepEqual([await textAt(second, "a"), await textAt(second, "b")], ["1", "2"]);
    });
  }
}

function everyCall(engine: Engine): Promise<unknown>[] {
  return [
    engine.get("a"),
    engine.put("a", "1"),
    engine.delete("a"),
    engine.contains("a"),
    engine.ttl("a"),
    engine.expire("a", 1000),
    engine.batchGet(["a"]),
    engine.batchPut([["a", "1"]]),
    engine.batchDelete(["a"]),
    engine.transaction([{ type: "delete", key: "a" }]),
    engine.setIfNotExists("a", "1"),
    engine.getAndDelete("a"),
    engine.compareAndSwap("a", null, "1"),
    engine.increment("a"),
    engine.listKeys(),
    engine.count(),
    engine.clear("a"),
    engine.healthCheck(),
    engine.memoryUsage(),
    engine.serverInfo(),
    engine.entries()[Symbol.asyncIterator]().next(),
  ];
}
