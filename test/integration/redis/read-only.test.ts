import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../../src/index.js";
import { startRedis } from "../../../src/testing/index.js";
import { failureOf, nothingEscapes } from "../../support/outcomes.js";
import { redisIsThere } from "../../support/stores.js";

const WRITES: Readonly<Record<string, (engine: Engine) => Promise<unknown>>> = {
  put: (engine) => engine.put("key", "after"),
  "put with a lifetime": (engine) => engine.put("key", "after", { ttlMs: 60_000 }),
  delete: (engine) => engine.delete("key"),
  expire: (engine) => engine.expire("key", 60_000),
  "expire never": (engine) => engine.expire("key", null),
  setIfNotExists: (engine) => engine.setIfNotExists("new", "after"),
  getAndDelete: (engine) => engine.getAndDelete("key"),
  compareAndSwap: (engine) => engine.compareAndSwap("key", "before", "after"),
  increment: (engine) => engine.increment("counter"),
  batchPut: (engine) => engine.batchPut([["key", "after"]]),
  batchDelete: (engine) => engine.batchDelete(["key"]),
  transaction: (engine) => engine.transaction([{ type: "expire", key: "key", ttlMs: null }]),
};

if (await redisIsThere("a server that has become a replica")) {
  for (const staleReads of ["yes", "no"]) {
    test(`every write to a server that has become a replica (stale reads: ${staleReads}) is refused as not applied, and has changed nothing`, async (t) => {
      nothingEscapes(t);
      const server = await startRedis();
      t.after(() => server.stop());
      const admin = new Redis(server.url);
      t.after(() => admin.disconnect());
      const engine = await createEngine({
        backend: server.url,
        retry: { retries: 0 },
        timeouts: { operationMs: 20_000 },
        circuitBreaker: false,
      });
      t.after(() => engine.close());
      await engine.put("key", "before", { ttlMs: 600_000 });
      await engine.put("counter", "1");
      await admin.config("SET", "replica-serve-stale-data", staleReads);
      await admin.replicaof("127.0.0.1", 1);
      for (const [name, write] of Object.entries(WRITES)) {
        const error = await failureOf(write(engine));
        assert.deepEqual([name, error.code, error.outcome], [name, "BACKEND", "not-applied"]);
        // Scripts are refused for the lost master before it is looked at what they would write.
        const reasons = staleReads === "yes" ? ["READONLY"] : ["READONLY", "MASTERDOWN"];
        assert.ok(reasons.includes(error.reason ?? ""), `${name}: ${error.reason}`);
      }
      if (staleReads === "yes") assert.equal(String(await engine.get("key")), "before");
      else assert.equal((await failureOf(engine.get("key"))).reason, "MASTERDOWN");
      await admin.replicaof("NO", "ONE");
      assert.equal(String(await engine.get("key")), "before");
      assert.ok((await engine.ttl("key"))! > 60_000);
      assert.equal(String(await engine.get("counter")), "1");
      assert.equal(await engine.count(), 2);
    });
  }
}
