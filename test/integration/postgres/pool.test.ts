import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { createEngine, type Engine, type EngineOptions, type StateError } from "../../../src/index.js";
import { startFaultProxy, startPostgres } from "../../../src/testing/index.js";
import { openConnections } from "../../support/connections.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const IDLE_MS = 150;
/** For scans and administration, open or not. */
const CONTROL = 1;

async function openServer(t: TestScope) {
  nothingEscapes(t);
  const server = await startPostgres();
  t.after(() => server.stop());
  return server;
}

async function openEngine(t: TestScope, options: EngineOptions): Promise<Engine> {
  const engine = await createEngine(options);
  t.after(() => engine.close());
  return engine;
}

if (await postgresIsThere("the pool of connections to PostgreSQL")) {
  test("postgres: connections beyond the minimum are closed when not needed, and opened on need", async (t) => {
    const server = await openServer(t);
    const observer = new Client({ connectionString: server.url });
    observer.on("error", () => {});
    await observer.connect();
    t.after(() => observer.end());
    const processes = async (): Promise<number[]> => {
      const { rows } = await observer.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY pid`,
      );
      return rows.map(({ pid }) => pid);
    };
    const pool = { min: 1, max: 5, idleMs: IDLE_MS };
    const engine = await openEngine(t, { backend: server.url, pool });
    assert.ok(openConnections(engine) >= 3, "three at first");
    assert.match(await engine.metrics.metrics(), /^state_pool_connections_limit(\{[^}]*\})? 5$/m);
    await until("one is left", async () => (await processes()).length <= 1 + CONTROL);
    assert.ok(openConnections(engine) <= 1 + CONTROL);
    const kept = await processes();
    for (let i = 0; i < 20; i++) {
      await engine.put("a", String(i));
      await delay(IDLE_MS / 10);
    }
    assert.deepEqual(await processes(), kept, "what one connection can do is not given to others");

    let most = 0;
    let isLoaded = true;
    const load = async (): Promise<void> => {
      for (let round = 0; round < 30; round++) {
        const puts = Array.from({ length: 4000 }, (_, i) => engine.put(`k${i}`, `${round}:${i}`));
        await Promise.all(puts);
      }
      isLoaded = false;
    };
    const watch = async (): Promise<void> => {
      for (; isLoaded; await delay(5)) most = Math.max(most, openConnections(engine));
    };
    await Promise.all([load(), watch()]);
    assert.ok(most >= 5, `five under load; there were ${most}`);
    assert.equal(String(await engine.get("k7")), "29:7");
    await until("one is left again", async () => (await processes()).length <= 1 + CONTROL);
    assert.equal(engine.stats().operationsFailed, 0);
  });

  test("postgres: connections that were lost and made again are told, those that slept and are needed again are not", async (t) => {
    const server = await openServer(t);
    let reconnections = 0;
    const onReconnected = (): void => void reconnections++;
    subscribe("millrace:reconnected", onReconnected);
    t.after(() => void unsubscribe("millrace:reconnected", onReconnected));
    const admin = new Client({ connectionString: server.url });
    admin.on("error", () => {});
    await admin.connect();
    t.after(() => admin.end());
    const engine = await openEngine(t, { backend: server.url, pool: { min: 0, max: 2, idleMs: 2 * IDLE_MS } });
    const asleep = (): Promise<void> => until("none is left", () => openConnections(engine) <= CONTROL);
    await engine.put("a", "1");
    await asleep();
    await engine.put("a", "2");
    assert.equal(reconnections, 0, "nothing was lost");
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()",
    );
    await until("the engine is connected again", () => reconnections === 1);
    assert.equal(String(await engine.get("a")), "2");
    await asleep();
    assert.equal(String(await engine.get("a")), "2");
    assert.equal(reconnections, 1, "the loss has been told");
  });

  test("postgres: with a minimum of 0 an engine without work has no connection for data, and connects when called", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, { backend: server.url, pool: { min: 0, max: 3, idleMs: IDLE_MS } });
    const asleep = (): Promise<void> => until("none is left", () => openConnections(engine) <= CONTROL);
    await engine.put("a", "1");
    await asleep();
    assert.equal((await engine.healthCheck()).healthy, true);
    assert.doesNotMatch((await engine.healthCheck()).detail, /reconnecting/);
    assert.equal(String(await engine.get("a")), "1");
    await engine.put("a", "2");
    await asleep();
    assert.deepEqual((await engine.batchGet(["a", "b"])).map(String), ["2", "null"]);
    await asleep();
    const numbers = Array.from({ length: 3000 }, (_, i) => engine.increment(`n${i % 10}`));
    assert.equal(Math.max(...(await Promise.all(numbers)).map(Number)), 300);
    assert.equal(engine.stats().operationsFailed, 0);
  });

  test("postgres: with a minimum of 0 calls fail by their deadline while the server is away, and work when it is back", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const backend = server.url.replace(String(server.port), String(proxy.port));
    const timeouts = { operationMs: 800, connectMs: 5000 };
    const engine = await openEngine(t, { backend, timeouts, pool: { min: 0, max: 3, idleMs: IDLE_MS } });
    await engine.put("a", "1");
    await until("none is left", () => openConnections(engine) <= CONTROL);
    await proxy.set({ accept: "close" });
    await proxy.cut();
    await assert.rejects(engine.get("a"), (error: StateError) => {
      assert.equal(error.code, "TIMEOUT");
      assert.match(error.message, /it was not sent, the store is away/);
      assert.match((error.cause as Error).message, new RegExp(`127\\.0\\.0\\.1:${proxy.port}`));
      return true;
    });
    await proxy.clear();
    assert.equal(String(await engine.get("a", { timeoutMs: 15_000 })), "1");
  });

  test("postgres: a read that finds no connection because none was needed is not answered with what was read before", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, {
      backend: server.url,
      pool: { min: 0, max: 3, idleMs: 50 },
      cache: { maxBytes: 1024 * 1024, ttlMs: 100 },
      degraded: { reads: "stale", maxStaleMs: 60_000 },
    });
    await engine.put("a", "1");
    await until("changes are heard of", () => engine.stats().cache?.invalidation === "changes");
    assert.equal(String(await engine.get("a")), "1");
    assert.equal(engine.stats().cache?.entries, 1);
    await until("none is left", () => openConnections(engine) <= CONTROL);
    await delay(200);
    assert.equal(String(await engine.get("a")), "1");
    assert.equal(engine.stats().degraded.answeredStale, 0);
  });

  test("postgres: connections that died in silence while nothing was sent are replaced before anything is", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const backend = server.url.replace(String(server.port), String(proxy.port));
    const engine = await openEngine(t, { backend, timeouts: { operationMs: 500, connectMs: 5000 } });
    await engine.put("a", "1");
    const { accepted } = await proxy.statistics();
    await proxy.set({ toClient: { swallow: true }, toServer: { swallow: true } });
    await until("they are given up", () => openConnections(engine) <= CONTROL);
    await proxy.clear();
    await until("there are others", () => openConnections(engine) >= 3);
    assert.ok((await proxy.statistics()).accepted >= accepted + 3);
    assert.equal(String(await engine.get("a")), "1");
    assert.equal(engine.stats().operationsFailed, 0);
  });

  test("postgres: a stall of this process is not taken for silence of the server", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const backend = server.url.replace(String(server.port), String(proxy.port));
    const operationMs = 300;
    const engine = await openEngine(t, { backend, timeouts: { operationMs, connectMs: 5000 } });
    await engine.put("a", "1");
    await engine.get("a");
    const { accepted } = await proxy.statistics();
    const answer = engine.get("a", { timeoutMs: 30_000 });
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, operationMs * 2);
    assert.equal(String(await answer), "1");
    assert.equal((await proxy.statistics()).accepted, accepted);
    assert.equal(engine.stats().retries, 0);
  });
}
