import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { createEngine, type Engine } from "../../src/index.js";
import { startPostgres } from "../../src/testing/index.js";
import { type LosingProxy, startLosingProxy } from "../support/losing-proxy.js";
import { eventually, failureOf, nothingEscapes, settled } from "../support/outcomes.js";
import { postgresIsThere, type StoreOptions, type TestScope } from "../support/stores.js";
import { until } from "../support/until.js";

/** Longer than a write takes that should have waited. */
const SLOW_CONNECT_MS = 500;
const PREFIX = "f:";

interface Scene {
  readonly proxy: LosingProxy;
  /** Over the proxy. */
  readonly engine: Engine;
  /** Another program, straight to the server. */
  readonly other: Client;
  readonly admin: Client;
  stored(key: string): Promise<string | null>;
  /** Has another program hold the row of a key until `other` ends its transaction. */
  hold(key: string): Promise<void>;
  /** Resolves when so many of the engine's statements wait for a row. */
  blocked(count?: number): Promise<void>;
}

async function openScene(t: TestScope, options: StoreOptions = {}): Promise<Scene> {
  nothingEscapes(t);
  const server = await startPostgres();
  t.after(() => server.stop());
  const proxy = await startLosingProxy(server.port);
  t.after(() => proxy.close());
  const url = server.url.replace(`:${server.port}/`, `:${proxy.port}/`);
  const engine = await createEngine({
    retry: { retries: 0, baseDelayMs: 5, maxDelayMs: 50 },
    circuitBreaker: false,
    timeouts: { operationMs: 30_000 },
    ...options,
    backend: `${url}?sslmode=disable`,
    keyPrefix: PREFIX,
  });
  t.after(() => engine.close());
  const observer = await createEngine({ backend: server.url, keyPrefix: PREFIX });
  t.after(() => observer.close());
  const connected = async (): Promise<Client> => {
    const client = new Client(server.url);
    client.on("error", () => {});
    await client.connect();
    t.after(() => client.end());
    return client;
  };
  const other = await connected();
  const admin = await connected();
  return {
    proxy,
    engine,
    other,
    admin,
    stored: async (key) => (await observer.get(key))?.toString() ?? null,
    hold: async (key) => {
      await observer.put(key, "0");
      await other.query("BEGIN");
      await other.query("UPDATE millrace_entries SET updated_at = now() WHERE key = $1", [Buffer.from(PREFIX + key)]);
    },
    blocked: (count = 1) =>
      until("a statement waits for the row", async () => {
        const { rowCount } = await admin.query(
          "SELECT FROM pg_stat_activity WHERE application_name = 'millrace' AND wait_event_type = 'Lock'",
        );
        return rowCount === count;
      }),
  };
}

if (await postgresIsThere("server processes that outlive their connection")) {
  test("postgres: what waited behind a lost connection is not sent before the server has given up what was sent over it", async (t) => {
    const { proxy, engine, other, stored, hold, blocked } = await openScene(t);
    await hold("a");
    const older = settled(
      engine.batchPut([
        ["a", "1"],
        ["k", "OLDER"],
      ]),
    );
    await blocked();
    // The one waits on the connection, the other behind it.
    const second = settled(engine.getAndDelete("k"));
    await delay(50);
    const newer = settled(engine.put("k", "NEWER"));
    await delay(50);
    proxy.connectDelayMs = SLOW_CONNECT_MS;
    assert.equal(proxy.lose("OLDER"), 1);
    const ending = await older;
    assert.equal(ending.ok || ending.error.outcome, "unknown");
    await second;
    assert.ok((await newer).ok);
    await other.query("COMMIT");
    await blocked(0);
    assert.equal(await stored("k"), "NEWER");
  });

  test("postgres: a server process is found and ended whatever time zone and date style its role has by now", async (t) => {
    const { proxy, engine, other, admin, stored, hold, blocked } = await openScene(t);
    await hold("a");
    const older = settled(
      engine.batchPut([
        ["a", "1"],
        ["k", "OLDER"],
      ]),
    );
    await blocked();
    await admin.query("ALTER ROLE millrace SET timezone = 'Asia/Tokyo'");
    await admin.query("ALTER ROLE millrace SET datestyle = 'German'");
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'millrace' AND state = 'idle' AND pid <> pg_backend_pid()`,
    );
    assert.equal(proxy.lose("OLDER"), 1);
    await older;
    await until("a newer write is done", async () => (await settled(engine.put("k", "NEWER"))).ok);
    await other.query("COMMIT");
    await blocked(0);
    assert.equal(await stored("k"), "NEWER");
  });

  test("postgres: a clear that took too long does nothing any more once it has failed", async (t) => {
    const { engine, other, stored, hold, blocked } = await openScene(t, { timeouts: { operationMs: 1000 } });
    await eventually(() => engine.put("k", "1"));
    await hold("a");
    assert.equal((await failureOf(engine.clear())).code, "TIMEOUT");
    await until("a write is done", async () => (await settled(engine.put("k", "after"))).ok);
    await other.query("COMMIT");
    await blocked(0);
    assert.equal(await stored("k"), "after");
  });

  test("postgres: a clear whose connection is lost is ended at the server before anything is written", async (t) => {
    const { proxy, engine, other, stored, hold, blocked } = await openScene(t);
    await engine.put("k", "1");
    await hold("a");
    const clearing = failureOf(engine.clear());
    await blocked();
    proxy.connectDelayMs = SLOW_CONNECT_MS;
    assert.equal(proxy.lose("DELETE FROM millrace_entries t USING locked"), 1);
    const error = await clearing;
    assert.deepEqual([error.code, error.outcome], ["CONNECTION", "unknown"]);
    await engine.put("k", "after");
    await other.query("COMMIT");
    await blocked(0);
    assert.equal(await stored("k"), "after");
  });

  test("postgres: clear and bulkLoad come after the end of writes whose connection was lost before", async (t) => {
    for (const isClear of [true, false]) {
      const { proxy, engine, other, stored, hold, blocked } = await openScene(t);
      await engine.put("k", "0");
      await engine.count();
      await hold("a");
      const older = settled(
        engine.batchPut([
          ["a", "1"],
          ["k", "OLDER"],
        ]),
      );
      await blocked();
      proxy.connectDelayMs = SLOW_CONNECT_MS;
      assert.equal(proxy.lose("OLDER"), 1);
      await older;
      if (isClear) assert.equal(await engine.clear("k"), 1);
      else assert.equal(await engine.bulkLoad([["k", "NEWER"]]), 1);
      await other.query("COMMIT");
      await blocked(0);
      assert.equal(await stored("k"), isClear ? null : "NEWER");
    }
  });
}
