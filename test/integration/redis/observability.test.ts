import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import { Redis } from "ioredis";
import type { BatchCompleted, Engine } from "../../../src/index.js";
import { openConnections } from "../../support/connections.js";
import { parsePrometheusText } from "../../support/prometheus-text.js";
import { onRedis } from "../../support/stores.js";
import { until } from "../../support/until.js";

async function load(engine: Engine): Promise<void> {
  const keys = Array.from({ length: 2000 }, (_, index) => `key:${index}`);
  await Promise.all(keys.map((key) => engine.put(key, "compressible ".repeat(200))));
  await Promise.all(keys.map((key) => engine.get(key)));
}

await onRedis("observability on Redis", (store, server) => {
  test("the phases of operations on Redis are all told apart, and their means add up to the latency's", async (t) => {
    const engine = await (await store.place(t)).open();
    await load(engine);
    for (const operation of ["get", "put"] as const) {
      const { count, meanUs, phases } = engine.stats().latency[operation]!;
      const { queue, codec, store: atStore, decode } = phases;
      assert.deepEqual(
        [queue.count, codec.count, atStore.count, decode.count],
        [count, count, count, count],
        "every operation is in every phase",
      );
      const sum = queue.meanUs + codec.meanUs + atStore.meanUs + decode.meanUs;
      assert.ok(Math.abs(sum - meanUs) <= 0.02 * meanUs + 5, `${operation}: ${sum} in phases, ${meanUs} in all`);
      assert.ok(atStore.meanUs > 0 && decode.meanUs > 0 && codec.meanUs > 0, operation);
    }
    assert.ok(engine.stats().latency.put!.phases.codec.meanUs > 1, "2000 values were compressed");
  });

  test("a batch on Redis tells when it was encoded and when its answers came", async (t) => {
    const engine = await (await store.place(t)).open();
    const batches: BatchCompleted[] = [];
    const onBatch = (message: unknown): void => void batches.push(message as BatchCompleted);
    subscribe("millrace:batch:completed", onBatch);
    t.after(() => void unsubscribe("millrace:batch:completed", onBatch));
    await load(engine);
    await until("all batches are completed", () => batches.length === engine.stats().batches);
    assert.equal(
      batches.reduce((sum, { size }) => sum + size, 0),
      4000,
    );
    for (const { backend, encodedAfterMs, answeredAfterMs, durationMs } of batches) {
      assert.equal(backend, "redis");
      assert.ok(encodedAfterMs > 0 && encodedAfterMs <= answeredAfterMs && answeredAfterMs <= durationMs);
    }
  });

  test("a connection that is lost and made again is told, one that slept and is needed again is not", async (t) => {
    const place = await store.place(t);
    let reconnections = 0;
    const onReconnected = (): void => void reconnections++;
    subscribe("millrace:reconnected", onReconnected);
    t.after(() => void unsubscribe("millrace:reconnected", onReconnected));
    const admin = new Redis(server.url);
    t.after(() => admin.disconnect());
    await admin.ping();
    const engine = await place.open({ pool: { min: 0, max: 2, idleMs: 300 } });
    await engine.put("a", "1");
    await until("it sleeps", () => openConnections(engine) === 0);
    await engine.put("a", "1");
    assert.equal(reconnections, 0, "nothing was lost");
    await admin.call("CLIENT", "KILL", "TYPE", "normal");
    await until("the engine is connected again", () => reconnections > 0);
    assert.equal(reconnections, 1);
    assert.equal(String(await engine.get("a")), "1");
    await until("it sleeps again", () => openConnections(engine) === 0);
    assert.equal(String(await engine.get("a")), "1");
    assert.equal(reconnections, 1, "the loss has been told");
  });

  test("connections of a pool on Redis are in the metrics", async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "1");
    const metrics = parsePrometheusText(await engine.metrics.metrics());
    const value = (name: string): number => metrics.get(name)!.samples[0]!.value;
    assert.equal(value("state_pool_connections_active") + value("state_pool_connections_idle"), 1);
  });
});
