import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import { Kind } from "../../../src/backends/request.js";
import { BackendError, ConnectionError, type StateError } from "../../../src/core/errors.js";
import { createEngine } from "../../../src/index.js";
import { HandDriver, succeedAll } from "./hand-driver.js";

const OPTIONS = { retry: { retries: 0 }, circuitBreaker: { failures: 3, resetMs: 60_000 } } as const;

function failAll(batch: Batch): void {
  const error = new ConnectionError("dead", { outcome: "not-applied", retryable: true });
  batch.forEachLeader((leader) => batch.fail(leader, error));
  batch.complete();
}

test("a store that refuses writes and answers reads is not given up", async () => {
  const hand = new HandDriver((batch) => {
    const error = new BackendError("NOREPLICAS", { reason: "NOREPLICAS", outcome: "not-applied", retryable: true });
    batch.forEachLeader((leader) => {
      if (leader.kind === Kind.put) batch.fail(leader, error);
      else batch.succeed(leader, null);
    });
    batch.complete();
  });
  const engine = await createEngine({ ...OPTIONS, backend: hand.driver });
  for (let round = 0; round < 10; round++) {
    const [put, get] = await Promise.allSettled([engine.put("a", "v"), engine.get("b")]);
    assert.deepEqual([put.status, get.status], ["rejected", "fulfilled"]);
  }
  assert.equal(engine.stats().circuit, "closed");
  for (let round = 0; round < 3; round++) await assert.rejects(engine.put("a", "v"), { reason: "NOREPLICAS" });
  assert.equal(engine.stats().circuit, "open");
  await engine.close();
});

test("while the circuit is open, calls besides the pipeline fail at once too, with what opened it", async () => {
  const hand = new HandDriver(failAll);
  const engine = await createEngine({ ...OPTIONS, backend: hand.driver });
  const first = async (scan: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of scan) return;
  };
  const calls: (() => Promise<unknown>)[] = [
    ...[() => engine.count(), () => engine.listKeys(), () => engine.clear("x")],
    ...[() => engine.memoryUsage(), () => engine.serverInfo()],
    ...[() => first(engine.keys()), () => first(engine.entries())],
    () => engine.get("k"),
  ];
  for (let round = 0; round < OPTIONS.circuitBreaker.failures; round++) await assert.rejects(engine.get("k"));
  const health = await engine.healthCheck();
  assert.equal(health.healthy, true, "health is always asked for");
  for (const call of calls) {
    await assert.rejects(call(), (error: StateError) => {
      assert.deepEqual([error.code, error.outcome, error.retryable], ["CIRCUIT_OPEN", "not-applied", true]);
      assert.equal((error.cause as StateError).code, "CONNECTION");
      return true;
    });
  }
  await assert.rejects(engine.backup("x"), { code: "UNSUPPORTED" }, "what there is not is told as such");
  await engine.close();
});

test("work besides the pipeline goes on where the circuit has closed again", async () => {
  let isDead = true;
  const hand = new HandDriver((batch) => (isDead ? failAll(batch) : succeedAll(batch)));
  const engine = await createEngine({ ...OPTIONS, backend: hand.driver });
  for (let round = 0; round < OPTIONS.circuitBreaker.failures; round++) await assert.rejects(engine.get("k"));
  await assert.rejects(engine.count(), { code: "CIRCUIT_OPEN" });
  isDead = false;
  hand.context!.onReconnected();
  assert.equal(await engine.count(), 0);
  await engine.close();
});
