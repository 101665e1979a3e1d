import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, createEngine, type Engine, type EngineOptions, StateError } from "../../../src/index.js";
import { type FaultProxy, type RedisServer, startFaultProxy, startRedis } from "../../../src/testing/index.js";
import { openConnections } from "../../support/connections.js";
import { eventually, nothingEscapes } from "../../support/outcomes.js";
import { redisIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const OPERATION_MS = 400;
const CACHE = { maxBytes: 1024 * 1024, ttlMs: 3_600_000 };

interface Scene {
  readonly server: RedisServer;
  readonly proxy: FaultProxy;
  readonly engine: Engine;
  readonly warnings: { readonly details: object; readonly message: string }[];
  /** Ends the connection and lets no other be made; resolves when the engine knows. */
  cutOff(): Promise<void>;
  comeBack(): Promise<void>;
}

async function open(t: TestScope, options: Omit<EngineOptions, "backend" | "logger">): Promise<Scene> {
  nothingEscapes(t);
  const server = await startRedis();
  t.after(() => server.stop());
  const proxy = await startFaultProxy(server.port);
  t.after(() => proxy.close());
  const warnings: Scene["warnings"] = [];
  const ignore = (): void => {};
  const warn = (details: object, message: string): void => void warnings.push({ details, message });
  const engine = await createEngine({
    timeouts: { operationMs: OPERATION_MS, connectMs: 5000 },
    retry: { retries: 1, baseDelayMs: 5, maxDelayMs: 20 },
    circuitBreaker: { failures: 3, resetMs: 60_000 },
    ...options,
    logger: { debug: ignore, info: ignore, error: ignore, warn },
    backend: `redis://127.0.0.1:${proxy.port}`,
  });
  t.after(() => engine.close());
  return {
    server,
    proxy,
    engine,
    warnings,
    async cutOff() {
      await proxy.set({ accept: "refuse" });
      await proxy.cut();
      await until("the loss is noticed", () => openConnections(engine) === 0);
    },
    async comeBack() {
      await proxy.clear();
      await until("the connection is back", () => openConnections(engine) === 1);
    },
  };
}

async function failureOf(call: Promise<unknown>): Promise<StateError> {
  const outcome = await call.then(
    (value) => assert.fail(`it was answered: ${value}`),
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof StateError);
  return outcome;
}

/** None of these may be answered by anything but the store. */
async function assertOthersFail(engine: Engine): Promise<void> {
  const failures = await Promise.all(
    [
      engine.put("key", "new"),
      engine.delete("key"),
      engine.increment("counter"),
      engine.compareAndSwap("key", null, "new"),
      engine.setIfNotExists("key", "new"),
      engine.getAndDelete("key"),
      engine.expire("key", 1000),
      engine.transaction([{ type: "put", key: "key", value: "new" }]),
      engine.batchPut([["key", "new"]]),
    ].map(failureOf),
  );
  for (const { code } of failures) assert.ok(["TIMEOUT", "CONNECTION", "CIRCUIT_OPEN"].includes(code), code);
}

if (await redisIsThere("degraded reads")) {
  test("by default reads fail while the store is away, with a cache as without", async (t) => {
    for (const cache of [false, CACHE] as const) {
      const { engine, cutOff } = await open(t, { cache });
      await eventually(() => engine.put("key", "value"));
      await eventually(() => engine.get("key"));
      await cutOff();
      for (const call of [engine.get("key"), engine.contains("key"), engine.batchGet(["key"])]) await failureOf(call);
      assert.deepEqual(engine.stats().degraded, { reads: "fail", answeredAbsent: 0, answeredStale: 0 });
    }
  });

  test("with 'miss' reads are answered as if their keys were absent, counted and logged once; all else fails", async (t) => {
    const { engine, warnings, cutOff, comeBack } = await open(t, { degraded: { reads: "miss" } });
    await eventually(() => engine.put("key", "value"));
    await cutOff();
    assert.equal(await engine.get("key"), null);
    assert.equal(await engine.contains("key"), false);
    assert.equal(await engine.ttl("key"), null);
    assert.deepEqual(await engine.batchGet(["key", "other"]), [null, null]);
    assert.deepEqual(engine.stats().degraded, { reads: "miss", answeredAbsent: 5, answeredStale: 0 });
    await assertOthersFail(engine);
    const told = warnings.filter(({ message }) => message.includes("as if their keys were absent"));
    assert.equal(told.length, 1);
    assert.deepEqual(Object.keys(told[0]!.details), ["backend", "operation", "cause", "reads"]);
    await until("the circuit is open", async () => {
      await failureOf(engine.put("key", "new"));
      return engine.stats().circuit === "open";
    });
    const { answeredAbsent } = engine.stats().degraded;
    assert.equal(await engine.get("key"), null);
    assert.equal(engine.stats().degraded.answeredAbsent, answeredAbsent + 1);
    await comeBack();
    await until("the value is there again", async () => (await engine.get("key"))?.toString() === "value");
  });

  test("with 'miss' an abort, a caller's short deadline, a refused argument and a closed engine stay what they are", async (t) => {
    const { engine, server } = await open(t, { degraded: { reads: "miss" }, timeouts: { operationMs: 30_000 } });
    server.pause();
    assert.equal((await failureOf(engine.get("key", { timeoutMs: 20 }))).code, "TIMEOUT");
    assert.equal((await failureOf(engine.get("key", { signal: AbortSignal.timeout(20) }))).code, "ABORTED");
    assert.equal((await failureOf(engine.get(""))).code, "INVALID_ARGUMENT");
    assert.equal(engine.stats().degraded.answeredAbsent, 0);
    server.resume();
    await engine.close();
    assert.equal((await failureOf(engine.get("key"))).code, "CLOSED");
  });

  test("with 'stale' reads are answered at once with what was read before, and others fail", async (t) => {
    const { engine, warnings, cutOff, comeBack, server } = await open(t, {
      cache: CACHE,
      degraded: { reads: "stale" },
    });
    await eventually(() =>
      engine.batchPut([
        ["key", "value"],
        ["written", "old"],
        ["unread", "value"],
      ]),
    );
    await eventually(() => engine.batchGet(["key", "written", "absent"]));
    await eventually(() => engine.get("written"));
    await cutOff();
    assert.equal(engine.stats().cache?.invalidation, "down");
    const { batches } = engine.stats();
    assert.equal((await engine.get("key"))?.toString(), "value");
    assert.equal(await engine.contains("key"), true);
    assert.equal(await engine.get("absent"), null);
    assert.equal((await engine.batchGet(["key"]))[0]?.toString(), "value");
    assert.equal(engine.stats().batches, batches);
    assert.equal(engine.stats().degraded.answeredStale, 4);
    const counted = await engine.metrics.getSingleMetricAsString("state_degraded_reads_total");
    assert.match(counted, /\{answer="stale"\} 4\b/);
    // Never older than what this engine wrote, whatever became of it.
    await Promise.all([engine.put("written", "new"), engine.get("written")].map(failureOf));
    await failureOf(engine.get("unread"));
    await failureOf(engine.ttl("key"));
    assert.equal(warnings.filter(({ message }) => message.includes("what was read before")).length, 1);
    const outside = await createEngine(server.url);
    await outside.put("key", "changed meanwhile");
    await outside.close();
    await comeBack();
    await until("the change is seen", async () => (await engine.get("key"))?.toString() === "changed meanwhile");
  });

  test("a stale answer is no older than degraded.maxStaleMs", async (t) => {
    const { engine, cutOff } = await open(t, { cache: CACHE, degraded: { reads: "stale", maxStaleMs: 300 } });
    await eventually(() => engine.put("key", "value"));
    await eventually(() => engine.get("key"));
    await cutOff();
    await until("it is too old", async () =>
      engine.get("key").then(
        (value) => {
          assert.equal(value?.toString(), "value");
          return false;
        },
        () => true,
      ),
    );
  });

  test("a server that is frozen has its reads answered with what was read before", async (t) => {
    const { engine, server } = await open(t, { cache: { ...CACHE, ttlMs: 1 }, degraded: { reads: "stale" } });
    await eventually(() => engine.put("key", "value"));
    await eventually(() => engine.get("key"));
    server.pause();
    await until("the entry is no longer fresh", async () => {
      const { answeredStale } = engine.stats().degraded;
      assert.equal((await engine.get("key"))?.toString(), "value");
      return engine.stats().degraded.answeredStale > answeredStale;
    });
    server.resume();
    await until("the connection is back", () => engine.stats().cache?.invalidation === "changes");
    assert.equal((await eventually(() => engine.get("key")))?.toString(), "value");
  });

  test("'stale' without a cache is refused", async () => {
    await assert.rejects(createEngine({ backend: "memory:", degraded: { reads: "stale" } }), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      return error.message.includes("needs a cache");
    });
  });
}
