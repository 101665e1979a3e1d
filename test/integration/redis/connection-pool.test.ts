import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { createEngine, type Engine, type StateError } from "../../../src/index.js";
import { type RedisServer, startFaultProxy, startRedis } from "../../../src/testing/index.js";
import { openConnections } from "../../support/connections.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { redisIsThere, type StoreOptions, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const PATIENT = { timeouts: { operationMs: 15_000 }, retry: { baseDelayMs: 1, maxDelayMs: 20 }, circuitBreaker: false };

async function openServer(t: TestScope): Promise<RedisServer> {
  nothingEscapes(t);
  const server = await startRedis();
  t.after(() => server.stop());
  return server;
}

async function openEngine(t: TestScope, backend: string, options: StoreOptions): Promise<Engine> {
  const engine = await createEngine({ ...PATIENT, ...options, backend } as Parameters<typeof createEngine>[0]);
  t.after(() => engine.close());
  return engine;
}

function adminOf(t: TestScope, server: RedisServer): Redis {
  const admin = new Redis(server.url, { retryStrategy: () => null });
  admin.on("error", () => {});
  t.after(() => admin.disconnect());
  return admin;
}

/** Ids of the connections that the server has beside this one; without administration all are for data. */
async function clientIds(admin: Redis): Promise<string[]> {
  const own = String(await admin.client("ID"));
  const ids = [...String(await admin.client("LIST")).matchAll(/^id=(\d+)/gm)].map(([, id]) => id!);
  return ids.filter((id) => id !== own);
}

async function connectionsSoFar(admin: Redis): Promise<number> {
  return Number(/total_connections_received:(\d+)/.exec(await admin.info("stats"))![1]);
}

/** Calls on many keys, several batches of them under way at once, until told to stop. */
function load(engine: Engine): { readonly writes: Map<string, string[]>; stop(): Promise<void> } {
  const writes = new Map<string, string[]>();
  let isOver = false;
  const callers = Array.from({ length: 8 }, async (_, caller) => {
    for (let round = 0; !isOver; round++) {
      const calls: Promise<unknown>[] = [];
      for (let i = 0; i < 20; i++) {
        const key = `${caller} ${i}`;
        const value = `${round}`;
        calls.push(
          settled(engine.put(key, value)).then(({ ok }) => {
            if (ok) writes.set(key, [...(writes.get(key) ?? []), value].slice(-1));
          }),
          settled(engine.get(key)),
        );
      }
      await Promise.all(calls);
    }
  });
  return {
    writes,
    async stop() {
      isOver = true;
      await Promise.all(callers);
    },
  };
}

const SMALL_BATCHES = { maxSize: 4, maxInFlight: 16 };

if (await redisIsThere("several connections to Redis")) {
  test("a call that waits in vain while there is no connection says why there is none, and one that is slow does not", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const url = `redis://127.0.0.1:${proxy.port}`;
    const engine = await openEngine(t, url, { timeouts: { operationMs: 300, connectMs: 5000 } });
    await proxy.set({ toServer: { delayMs: 5000 } });
    const slow = await failureOf(engine.get("a", { timeoutMs: 50 }));
    assert.equal(slow.cause, undefined);
    await proxy.set({ accept: "refuse" });
    await proxy.cut();
    await until("the loss is noticed", () => openConnections(engine) === 0);
    const away = await failureOf(engine.put("a", "1"));
    assert.deepEqual([away.code, away.outcome, away.reason], ["TIMEOUT", "not-applied", "ERR_TIMEOUT"]);
    assert.match(away.message, /put "a" on redis: .*it was not sent, the store is away/);
    const cause = away.cause as StateError;
    assert.equal(cause.code, "CONNECTION");
    assert.match(cause.message, new RegExp(`127\\.0\\.0\\.1:${proxy.port}: .*refused`));
    await proxy.clear();
    await engine.put("a", "1", { timeoutMs: 15_000 });
  });

  test("load opens connections up to the maximum, and what is not needed for idleMs is closed again", async (t) => {
    const server = await openServer(t);
    const admin = adminOf(t, server);
    const engine = await openEngine(t, server.url, {
      pool: { min: 1, max: 4, idleMs: 300 },
      batching: SMALL_BATCHES,
    });
    assert.equal((await clientIds(admin)).length, 1);
    const { stop, writes } = load(engine);
    await until("there are four", async () => (await clientIds(admin)).length === 4);
    await until("all are counted", () => openConnections(engine) === 4);
    await stop();
    await until("one is left", async () => (await clientIds(admin)).length === 1);
    await until("one is counted", () => openConnections(engine) === 1);
    for (const [key, [last]] of writes) assert.equal(String(await engine.get(key)), last);
  });

  test("the minimum is open without any load, and an engine that needs none has none", async (t) => {
    const server = await openServer(t);
    const admin = adminOf(t, server);
    await openEngine(t, server.url, { pool: { min: 3, max: 4 } });
    await until("there are three", async () => (await clientIds(admin)).length === 3);
    const sleeper = await openEngine(t, server.url, { pool: { min: 0, max: 2, idleMs: 100 } });
    await sleeper.put("a", "1");
    await until("it has closed its own", () => openConnections(sleeper) === 0);
    const connections = await connectionsSoFar(admin);
    await delay(400);
    assert.equal(await connectionsSoFar(admin), connections, "it opened one without need");
    assert.equal((await sleeper.healthCheck()).healthy, true);
    assert.equal(String(await sleeper.get("a")), "1");
  });

  test("one of several connections is killed under load again and again, and nothing that was acknowledged is lost", async (t) => {
    const server = await openServer(t);
    const admin = adminOf(t, server);
    const engine = await openEngine(t, server.url, { pool: { min: 4, max: 4 }, batching: SMALL_BATCHES });
    await until("there are four", async () => (await clientIds(admin)).length === 4);
    const { stop, writes } = load(engine);
    for (let kill = 0; kill < 20; kill++) {
      const before = engine.stats().operationsSucceeded;
      const ids = await clientIds(admin);
      await admin.client("KILL", "ID", ids[kill % ids.length]!);
      await until("the load goes on", () => engine.stats().operationsSucceeded > before + 500);
      await until("it was replaced", async () => (await clientIds(admin)).length === 4);
    }
    await stop();
    assert.equal(writes.size, 160);
    for (const [key, [last]] of writes) assert.equal(String(await engine.get(key)), last);
  });

  test("with no room at the server for more connections, those that are there do the work", async (t) => {
    const server = await openServer(t);
    const admin = adminOf(t, server);
    await admin.config("SET", "maxclients", "3");
    const engine = await openEngine(t, server.url, { pool: { min: 1, max: 4 }, batching: SMALL_BATCHES });
    const { stop } = load(engine);
    await until("there are two", async () => (await clientIds(admin)).length === 2);
    const before = engine.stats().operationsSucceeded;
    await until("the load goes on", () => engine.stats().operationsSucceeded > before + 2000);
    await stop();
    assert.equal(engine.stats().operationsFailed, 0);
  });

  test("a connection that has died in silence is found and replaced without any call", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const engine = await openEngine(t, `redis://127.0.0.1:${proxy.port}`, {
      pool: { min: 2, max: 2 },
      timeouts: { operationMs: 300 },
    });
    await until("both are open", () => openConnections(engine) === 2);
    const { accepted } = await proxy.statistics();
    await proxy.set({ toServer: { swallow: true }, toClient: { swallow: true }, accept: "silence" });
    await until("both are given up", () => openConnections(engine) === 0);
    await proxy.clear();
    await until("both are there again", () => openConnections(engine) === 2);
    assert.ok((await proxy.statistics()).accepted >= accepted + 2);
    assert.equal(engine.stats().operationsTotal, 0);
  });

  test("a transaction over keys of several connections is whole and keeps its place among the calls", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url, { pool: { min: 4, max: 4 }, batching: SMALL_BATCHES });
    await until("there are four", () => openConnections(engine) === 4);
    const keys = Array.from({ length: 32 }, (_, i) => `key ${i}`);
    for (let round = 0; round < 20; round++) {
      const before = keys.map((key) => engine.put(key, `before ${round}`));
      const early = keys.map((key) => engine.get(key));
      const inside = engine.transaction(keys.map((key) => ({ type: "put" as const, key, value: `inside ${round}` })));
      const late = keys.map((key) => engine.get(key));
      const swaps = keys.map((key) => engine.compareAndSwap(key, `inside ${round}`, `after ${round}`));
      assert.deepEqual((await Promise.all(early)).map(String), new Array(32).fill(`before ${round}`));
      assert.deepEqual((await Promise.all(late)).map(String), new Array(32).fill(`inside ${round}`));
      assert.deepEqual(await Promise.all(swaps), new Array(32).fill(true));
      await Promise.all([...before, inside]);
    }
  });

  test("a transaction that is given up while it waits for the connections is not sent", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url, {
      pool: { min: 4, max: 4 },
      retry: { retries: 0, baseDelayMs: 1, maxDelayMs: 20 },
    });
    await until("there are four", () => openConnections(engine) === 4);
    const keys = Array.from({ length: 16 }, (_, i) => `key ${i}`);
    const steps = keys.map((key) => ({ type: "put" as const, key, value: "given up" }));
    server.pause();
    const reads = keys.map((key) => settled(engine.get(key)));
    await new Promise((resolve) => setImmediate(resolve));
    const given = await failureOf(engine.transaction(steps, { timeoutMs: 50 }));
    assert.equal(given.code, "TIMEOUT");
    server.resume();
    await Promise.all(reads);
    await engine.put("done", "1");
    assert.deepEqual(await engine.listKeys(), ["done"]);
  });

  test("with a cache, changes by others are heard of whichever connection the value was read over", async (t) => {
    const server = await openServer(t);
    const admin = adminOf(t, server);
    const engine = await openEngine(t, server.url, {
      pool: { min: 4, max: 4 },
      cache: { maxBytes: 1024 * 1024, ttlMs: 3_600_000 },
    });
    await until("there are four", async () => (await clientIds(admin)).length === 4);
    const keys = Array.from({ length: 32 }, (_, i) => `key ${i}`);
    for (const next of ["one", "two", "three"]) {
      await admin.mset(keys.flatMap((key) => [`state:${key}`, next]));
      for (const key of keys) await until(`${key} is seen`, async () => String(await engine.get(key)) === next);
      const { batches } = engine.stats();
      await Promise.all(keys.map((key) => engine.get(key)));
      assert.equal(engine.stats().batches, batches, "they were kept");
    }
    // What was read over a connection that is gone may have changed since, unheard.
    const [id] = await clientIds(admin);
    const { flushes } = engine.stats().cache!;
    await admin.client("KILL", "ID", id!);
    await until("everything kept was dropped", () => engine.stats().cache!.flushes > flushes);
    await admin.mset(keys.flatMap((key) => [`state:${key}`, "four"]));
    for (const key of keys) await until(`${key} is seen`, async () => String(await engine.get(key)) === "four");
    assert.equal(engine.stats().cache!.invalidation, "changes");
  });
}
