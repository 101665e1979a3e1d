import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../../src/index.js";
import { createLedger, redisReadBack, startFaultProxy, startRedis } from "../../src/testing/index.js";
import { redisIsThere } from "../support/stores.js";
import { until } from "../support/until.js";

const OPERATION_MS = 200;
const ROUNDS = 20;
const KEYS = 250;
/** So that a frozen server has far more to read than it reads at a time. */
const PADDING = "x".repeat(4000);

if (await redisIsThere("a frozen server")) {
  test("what a server had not read when it was frozen never lands on what was written afterwards", async (t) => {
    const server = await startRedis();
    // Only to see when the engine has begun to connect again.
    const proxy = await startFaultProxy(server.port);
    const engine = await createEngine({
      backend: `redis://127.0.0.1:${proxy.port}`,
      timeouts: { operationMs: OPERATION_MS },
      retry: { baseDelayMs: 5, maxDelayMs: 20 },
      compression: { codec: "none" },
      circuitBreaker: false,
    });
    const readBack = redisReadBack(server.url);
    t.after(async () => {
      readBack.close();
      await engine.close();
      await proxy.close();
      await server.stop();
    });
    for (let round = 0; round < ROUNDS; round++) {
      const ledger = createLedger(engine, { operationMs: OPERATION_MS });
      const keys = Array.from({ length: KEYS }, (_, index) => `${round} ${index}`);
      const { accepted } = await proxy.statistics();
      server.pause();
      const first = await Promise.allSettled(keys.map((key) => ledger.put(key, `${key} old ${PADDING}`)));
      assert.ok(first.every(({ status }) => status === "rejected"));
      await until("the next connection waits as well", async () => (await proxy.statistics()).accepted > accepted);
      server.resume();
      let attempt = 0;
      await until("writes are served again", async () => {
        attempt++;
        const second = await Promise.allSettled(keys.map((key) => ledger.put(key, `${key} new ${attempt}`)));
        return second.some(({ status }) => status === "fulfilled");
      });
      await Promise.allSettled(keys.map((key) => ledger.get(key)));
      const report = await ledger.verify(readBack.read);
      ledger.stop();
      assert.equal(report.violations["stale-overwrite"], 0, JSON.stringify(report.examples[0]));
    }
  });
}
