import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createEngine, type Engine } from "../../src/index.js";
import { type FaultProxy, startFaultProxy, startRedis } from "../../src/testing/index.js";
import { failureOf } from "../support/outcomes.js";
import { redisIsThere } from "../support/stores.js";

/** An engine whose answers can be lost after the work was done, and that waits long before it tries again. */
async function openEngine(t: TestContext): Promise<{ engine: Engine; proxy: FaultProxy }> {
  const server = await startRedis();
  const proxy = await startFaultProxy(server.port);
  const engine = await createEngine({
    backend: `redis://127.0.0.1:${proxy.port}`,
    timeouts: { operationMs: 20_000 },
    retry: { retries: 3, baseDelayMs: 50, maxDelayMs: 50, jitter: 0 },
  });
  t.after(async () => {
    await engine.close();
    await proxy.close();
    await server.stop();
  });
  return { engine, proxy };
}

if (await redisIsThere("lifetimes shorter than a retry")) {
  test("an expire whose answer was lost never says that there was no key because its own lifetime has ended since", async (t) => {
    const { engine, proxy } = await openEngine(t);
    await engine.put("key", "value");
    const { happened } = await proxy.arm({ kind: "lost-ack" });
    const error = await failureOf(engine.expire("key", 1));
    assert.equal(await happened, true);
    assert.equal(error.outcome, "unknown");
    assert.equal(engine.stats().retries, 0);
  });

  test("an expire whose answer was lost is repeated when its lifetime outlasts the call", async (t) => {
    const { engine, proxy } = await openEngine(t);
    await engine.put("key", "value");
    for (const ttlMs of [60_000, null]) {
      const { happened } = await proxy.arm({ kind: "lost-ack" });
      assert.equal(await engine.expire("key", ttlMs), true);
      assert.equal(await happened, true);
    }
    assert.equal(await engine.ttl("key"), Number.POSITIVE_INFINITY);
    assert.equal(engine.stats().retries, 2);
  });
}
