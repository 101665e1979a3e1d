import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { createEngine, type Engine } from "../../src/index.js";
import { type PostgresServer, startFaultProxy, startPostgres } from "../../src/testing/index.js";
import { eventually, nothingEscapes, type Settled, settled } from "../support/outcomes.js";
import { postgresIsThere, type StoreOptions, type TestScope } from "../support/stores.js";
import { until } from "../support/until.js";

async function openServer(t: TestScope): Promise<PostgresServer> {
  nothingEscapes(t);
  const server = await startPostgres();
  t.after(() => server.stop());
  return server;
}

async function openEngine(t: TestScope, backend: string, options: StoreOptions = {}): Promise<Engine> {
  const engine = await createEngine({
    retry: { retries: 0, baseDelayMs: 5, maxDelayMs: 50 },
    circuitBreaker: false,
    ...options,
    backend,
  });
  t.after(() => engine.close());
  return engine;
}

async function connect(t: TestScope, server: PostgresServer): Promise<Client> {
  const client = new Client(server.url);
  client.on("error", () => {});
  await client.connect();
  t.after(() => client.end());
  return client;
}

interface Write {
  readonly key: string;
  readonly value: string;
  readonly ending: Settled<void>;
}

/** Writes distinct keys, so many at once, until told to stop or the engine is closed. */
function writeOn(engine: Engine, atOnce: number): () => Promise<Write[]> {
  const writes: Write[] = [];
  let goesOn = true;
  let count = 0;
  const writers = Array.from({ length: atOnce }, async () => {
    while (goesOn) {
      const number = ++count;
      const [key, value] = [`k${number}`, `v${number}`];
      const ending = await settled(engine.put(key, value));
      writes.push({ key, value, ending });
      // A test that failed closes the engine and tells nobody to stop; calls that end at once would leave it no turn.
      if (!ending.ok && ending.error.code === "CLOSED") return;
    }
  });
  return async () => {
    goesOn = false;
    await Promise.all(writers);
    return writes;
  };
}

async function assertHonest(backend: string, writes: readonly Write[]): Promise<void> {
  const observer = await createEngine({ backend });
  const stored = await observer.batchGet(writes.map(({ key }) => key));
  await observer.close();
  for (const [index, { key, value, ending }] of writes.entries()) {
    const found = stored[index]?.toString() ?? null;
    if (ending.ok) assert.equal(found, value, `${key} was acknowledged`);
    else if (ending.error.outcome === "not-applied") assert.equal(found, null, `${key} was not applied`);
    else assert.ok(found === null || found === value, `${key} holds something else`);
  }
}

if (await postgresIsThere("faults of a PostgreSQL server")) {
  test("what was given up before all its bytes had left never arrives", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const url = new URL(server.url);
    url.port = String(proxy.port);
    const engine = await openEngine(t, url.href, { timeouts: { operationMs: 20_000 } });
    await engine.put("before", "1");
    await proxy.set({ toServer: { bytesPerSecond: 100_000 } });
    const large = await settled(engine.put("large", randomBytes(12 << 20), { timeoutMs: 300 }));
    assert.ok(!large.ok);
    assert.deepEqual([large.error.code, large.error.outcome], ["TIMEOUT", "unknown"]);
    await proxy.clear();
    assert.equal(String(await eventually(() => engine.get("before"))), "1");
    await engine.put("after", "1");
    await delay(500);
    assert.deepEqual((await engine.listKeys()).sort(), ["after", "before"]);
  });

  for (const retries of [0, 3]) {
    test(`with ${retries} retries, a server killed under load fails calls honestly, and the engine goes on when it is back`, async (t) => {
      const server = await openServer(t);
      const engine = await openEngine(t, server.url, {
        retry: { retries, baseDelayMs: 5, maxDelayMs: 50 },
        timeouts: { operationMs: 2000 },
      });
      const stop = writeOn(engine, 200);
      await until("writes are acknowledged", () => engine.stats().operationsSucceeded > 2000);
      if (retries === 0) {
        // On one core it may have answered all that was sent when it is this process's turn to kill it.
        server.pause();
        await delay(20);
      }
      await server.kill();
      await delay(100);
      await server.restart();
      const before = engine.stats().operationsSucceeded;
      await until("writes are acknowledged again", () => engine.stats().operationsSucceeded > before + 1000);
      const writes = await stop();
      if (retries === 0) assert.ok(writes.some(({ ending }) => !ending.ok));
      await assertHonest(server.url, writes);
    });
  }

  test("sessions that an administrator ends fail what was under way as unknown, and others take their place", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url);
    const admin = await connect(t, server);
    const stop = writeOn(engine, 200);
    for (let round = 1; round <= 10; round++) {
      await until("writes are acknowledged", () => engine.stats().operationsSucceeded > round * 500);
      await admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace' AND pid <> pg_backend_pid()",
      );
    }
    const writes = await stop();
    const failed = writes.flatMap(({ ending }) => (ending.ok ? [] : [ending.error]));
    assert.ok(failed.length > 0);
    assert.deepEqual([...new Set(failed.map(({ code }) => code))], ["CONNECTION"]);
    await assertHonest(server.url, writes);
  });

  test("increments whose acknowledgement is lost are unknown and never done twice", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const url = new URL(server.url);
    url.port = String(proxy.port);
    const engine = await openEngine(t, url.href, { retry: { retries: 5, baseDelayMs: 1, maxDelayMs: 5 } });
    const endings: Settled<bigint>[] = [];
    for (let round = 0; round < 60; round++) {
      const fault = round % 3 === 0 ? await proxy.arm({ kind: "lost-ack" }) : undefined;
      const calls = Array.from({ length: 5 }, (_, i) => settled(engine.increment(`counter ${i}`)));
      endings.push(...(await Promise.all(calls)));
      if (fault !== undefined) assert.equal(await fault.happened, true);
      if (round % 10 === 9) await proxy.cut();
    }
    await proxy.clear();
    const acknowledged = endings.filter(({ ok }) => ok).length;
    const unknown = endings.filter((ending) => !ending.ok && ending.error.outcome === "unknown").length;
    let sum = 0;
    for (let i = 0; i < 5; i++) sum += Number(await engine.increment(`counter ${i}`, 0));
    assert.ok(acknowledged > 0);
    assert.ok(
      sum >= acknowledged && sum <= acknowledged + unknown,
      `${acknowledged} <= ${sum} <= ${acknowledged + unknown}`,
    );
  });

  test("connections cut again and again under load leave no answer that the store contradicts", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const url = new URL(server.url);
    url.port = String(proxy.port);
    const engine = await openEngine(t, url.href, { retry: { retries: 3, baseDelayMs: 1, maxDelayMs: 5 } });
    await proxy.set({ cutEveryMs: 500 });
    const stop = writeOn(engine, 100);
    await until("writes get through", () => engine.stats().operationsSucceeded > 3000);
    await proxy.clear();
    await assertHonest(server.url, await stop());
  });

  test("a frozen server costs no call more than its deadline, and what it did not read never lands on a later write", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url, { timeouts: { operationMs: 400 } });
    await eventually(() => engine.put("a", "first"));
    server.pause();
    const startedMs = performance.now();
    const endings = await Promise.all([settled(engine.put("a", "frozen")), settled(engine.get("b"))]);
    const tookMs = performance.now() - startedMs;
    server.resume();
    assert.deepEqual(
      endings.map((ending) => !ending.ok && [ending.error.code, ending.error.outcome]),
      [
        ["TIMEOUT", "unknown"],
        ["TIMEOUT", "not-applied"],
      ],
    );
    assert.ok(tookMs < 15_000);
    await until("the store answers", async () => (await settled(engine.put("a", "later"))).ok);
    for (let i = 0; i < 20; i++) {
      assert.equal((await eventually(() => engine.get("a")))?.toString(), "later");
      await delay(10);
    }
  });

  test("a deadlock with another program is resolved by trying again", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url, { retry: { retries: 5, baseDelayMs: 5 }, keyPrefix: "" });
    await engine.batchPut([
      ["a", "0"],
      ["b", "0"],
    ]);
    const other = await connect(t, server);
    // Whoever waits longer than this looks for a circle; the other program shall not be the one that finds it.
    await other.query("SET deadlock_timeout = '1min'");
    await other.query("BEGIN");
    await other.query("UPDATE millrace_entries SET updated_at = now() WHERE key = 'b'");
    const put = engine.batchPut([
      ["b", "1"],
      ["a", "1"],
    ]);
    await until("the engine waits for b", async () => {
      const { rows } = await other.query("SELECT 1 FROM pg_locks WHERE NOT granted");
      return rows.length > 0;
    });
    const crossing = other.query("UPDATE millrace_entries SET updated_at = now() WHERE key = 'a'");
    await crossing;
    await other.query("COMMIT");
    await put;
    assert.equal((await engine.get("a"))?.toString(), "1");
    assert.ok(engine.stats().retries > 0);
    const { rows } = await other.query("SELECT deadlocks::int FROM pg_stat_database WHERE datname = 'postgres'");
    assert.ok(rows.length === 1);
  });

  test("engines that write the same keys in opposite orders never wait for each other in a circle", async (t) => {
    const server = await openServer(t);
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    const engines = await Promise.all([openEngine(t, server.url), openEngine(t, server.url)]);
    const rounds = engines.map(async (engine, which) => {
      const order = which === 0 ? keys : [...keys].reverse();
      for (let round = 0; round < 40; round++) {
        await Promise.all([
          ...order.slice(0, 100).map((key) => engine.put(key, `${round}`)),
          ...order.slice(100).map((key) => engine.delete(key)),
        ]);
        await Promise.all(order.map((key) => engine.put(key, `${round}`, { ttlMs: 60_000 })));
      }
    });
    await Promise.all(rounds);
    const admin = await connect(t, server);
    // The counters are written when sessions are idle or end.
    await Promise.all(engines.map((engine) => engine.close()));
    await delay(50);
    const { rows } = await admin.query("SELECT deadlocks::int AS n FROM pg_stat_database WHERE datname = 'postgres'");
    assert.equal(rows[0]?.n, 0);
  });

  test("a row that another program holds costs the statement its time, not the session", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url, { timeouts: { operationMs: 500 }, keyPrefix: "" });
    await eventually(() => engine.put("a", "0"));
    const other = await connect(t, server);
    await other.query("BEGIN");
    await other.query("UPDATE millrace_entries SET updated_at = now() WHERE key = 'a'");
    const ending = await settled(engine.put("a", "1"));
    assert.equal(ending.ok, false);
    await other.query("ROLLBACK");
    const error = ending.ok ? undefined : ending.error;
    assert.equal(error?.code, "TIMEOUT");
    await until("the store answers", async () => (await settled(engine.put("a", "2"))).ok);
    assert.equal((await eventually(() => engine.get("a")))?.toString(), "2");
  });

  test("two engines that increment and create the same keys at once lose nothing", async (t) => {
    const server = await openServer(t);
    const engines = await Promise.all([1, 2, 3].map(() => openEngine(t, server.url, { retry: { retries: 10 } })));
    const created = await Promise.all(engines.map((engine) => engine.setIfNotExists("once", "1")));
    assert.equal(created.filter(Boolean).length, 1);
    await Promise.all(
      engines.flatMap((engine) => Array.from({ length: 200 }, (_, i) => engine.increment(`fresh ${i % 50}`))),
    );
    let sum = 0n;
    for (let i = 0; i < 50; i++) sum += await engines[0]!.increment(`fresh ${i}`, 0);
    assert.equal(sum, 600n);
  });
}
