import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../../src/index.js";
import { type RedisServer, type RedisServerOptions, startRedis } from "../../../src/testing/index.js";
import { openConnections } from "../../support/connections.js";
import { eventually, failureOf, nothingEscapes, type Settled, settled } from "../../support/outcomes.js";
import { redisIsThere, type StoreOptions, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

/** Nothing may depend on the machine being fast. */
const PATIENT = { connectMs: 30_000, operationMs: 30_000 };
const PASSWORD = "s3cret-PASSWORD@#";

/** Everything acknowledged survives a kill of the process: it has been handed to the operating system before. */
const DURABLE: RedisServerOptions = { args: ["--appendonly", "yes", "--appendfsync", "no"] };

async function openServer(t: TestScope, options?: RedisServerOptions): Promise<RedisServer> {
  nothingEscapes(t);
  const server = await startRedis(options);
  t.after(() => server.stop());
  return server;
}

async function openEngine(t: TestScope, server: RedisServer, options: StoreOptions = {}): Promise<Engine> {
  const engine = await createEngine({
    retry: { retries: 0, baseDelayMs: 5, maxDelayMs: 50 },
    circuitBreaker: false,
    ...options,
    backend: server.url,
  });
  t.after(() => engine.close());
  return engine;
}

/** The values as the server has them, seen through an engine of its own. */
async function valuesOn(server: RedisServer, keys: readonly string[]): Promise<(string | null)[]> {
  const observer = await createEngine({ backend: server.url });
  const values = await observer.batchGet(keys);
  await observer.close();
  return values.map((value) => value?.toString() ?? null);
}

interface Write {
  readonly key: string;
  readonly value: string;
  readonly ending: Settled<void>;
}

function assertHonest(writes: readonly Write[], stored: readonly (string | null)[]): void {
  for (const [index, { key, value, ending }] of writes.entries()) {
    if (ending.ok) assert.equal(stored[index], value, `${key} was acknowledged`);
    else if (ending.error.outcome === "not-applied") assert.equal(stored[index], null, `${key} was not applied`);
    else assert.ok(stored[index] === null || stored[index] === value, `${key} holds something else`);
  }
}

if (await redisIsThere("faults of a Redis server")) {
  for (const retries of [0, 3]) {
    test(`with ${retries} retries, a server killed under load fails calls honestly, and the engine goes on when it is back`, async (t) => {
      const server = await openServer(t, DURABLE);
      const engine = await openEngine(t, server, {
        timeouts: { operationMs: 2000 },
        retry: { retries, baseDelayMs: 5, maxDelayMs: 50 },
      });
      const writes: Promise<Write>[] = [];
      const reads: Promise<Settled<Buffer | null>>[] = [];
      const increments: Promise<Settled<bigint>>[] = [];
      let loading = true;
      const load = (async () => {
        for (let i = 0; loading; i++) {
          const key = `key ${i}`;
          const value = `value ${i}`;
          writes.push(settled(engine.put(key, value)).then((ending) => ({ key, value, ending })));
          reads.push(settled(engine.get(`key ${i >> 1}`)));
          if (i % 10 === 0) increments.push(settled(engine.increment("counter")));
          if (i % 100 !== 99) continue;
          await new Promise((resolve) => setImmediate(resolve));
          // The caller's own brake: the queue must not be what the test measures.
          while (loading && engine.stats().pending > 20_000) await new Promise((resolve) => setTimeout(resolve, 1));
        }
      })();
      await until("the load has begun", () => engine.stats().operationsSucceeded > 5000);
      await server.kill();
      await until("the loss was noticed", () => openConnections(engine) === 0);
      await server.restart();
      await until("the engine is connected again", () => openConnections(engine) === 1);
      const before = engine.stats().operationsSucceeded;
      await until("the load goes on", () => engine.stats().operationsSucceeded > before + 2000);
      loading = false;
      await load;
      await engine.flush();

      const endings = await Promise.all(writes);
      assertHonest(
        endings,
        await valuesOn(
          server,
          endings.map(({ key }) => key),
        ),
      );
      const failed = endings.filter(({ ending }) => !ending.ok);
      if (retries === 0) {
        assert.ok(
          failed.some(({ ending }) => !ending.ok && ending.error.outcome === "unknown"),
          "nothing was in flight",
        );
      }
      for (const { ending } of failed) {
        if (!ending.ok) assert.ok(["CONNECTION", "TIMEOUT"].includes(ending.error.code), String(ending.error));
      }
      for (const read of await Promise.all(reads)) {
        if (!read.ok) assert.equal(read.error.outcome, "not-applied");
      }
      const sums = await Promise.all(increments);
      const acknowledged = sums.filter((sum) => sum.ok).length;
      const unknown = sums.filter((sum) => !sum.ok && sum.error.outcome === "unknown").length;
      const counter = Number((await valuesOn(server, ["counter"]))[0]);
      assert.ok(
        counter >= acknowledged && counter <= acknowledged + unknown,
        `${counter}: ${acknowledged} + ${unknown}`,
      );
      assert.equal(engine.stats().pending, 0);
    });
  }

  test("a frozen server costs each call its deadline, and nothing is sent late when it goes on", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server, {
      timeouts: { operationMs: 400 },
      batching: { maxSize: 16, maxInFlight: 2 },
    });
    await eventually(() => engine.put("warm", "1"));
    server.pause();
    const startedMs = performance.now();
    const writes = Array.from({ length: 500 }, async (_, i): Promise<Write> => {
      const key = `key ${i}`;
      return { key, value: "late", ending: await settled(engine.put(key, "late")) };
    });
    const read = failureOf(engine.get("warm"));
    const endings = await Promise.all(writes);
    const tookMs = performance.now() - startedMs;
    assert.equal((await read).outcome, "not-applied");
    // One batch after the other they would take more than twelve seconds.
    assert.ok(tookMs < 10_000, `it took ${tookMs} ms`);
    const outcomes = endings.map(({ ending }) => (ending.ok ? "ok" : ending.error.outcome));
    assert.deepEqual(outcomes.slice(0, 16), new Array(16).fill("unknown"));
    assert.deepEqual(outcomes.slice(100), new Array(400).fill("not-applied"));
    server.resume();
    await until("the engine works again", async () => (await settled(engine.put("after", "1"))).ok);
    assertHonest(
      endings,
      await valuesOn(
        server,
        endings.map(({ key }) => key),
      ),
    );
  });

  test("a write that was given up never overwrites a later one, however long the server takes over it", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server, { timeouts: { operationMs: 400 }, batching: { maxInFlight: 1024 } });
    const admin = new Redis(server.url);
    t.after(() => admin.disconnect());
    await eventually(() => engine.put("a", "first"));
    // Each increment of it is a script's slow work that changes nothing.
    await eventually(() => engine.put("full", "9223372036854775807"));
    server.pause();
    const slow = Array.from({ length: 4000 }, () => settled(engine.increment("full")));
    const given = failureOf(engine.put("a", "given up"));
    await Promise.all(slow);
    assert.equal((await given).outcome, "unknown", "it was not even sent");
    server.resume();
    await until("a later write is acknowledged", async () => (await settled(engine.put("a", "later"))).ok);
    await until("the server has done with the old connection", async () =>
      /connected_clients:2\r/.test(await admin.info("clients")),
    );
    assert.equal(String(await eventually(() => engine.get("a"))), "later");
  });

  test("calls made while no server is there wait for it until their deadline", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server, { timeouts: { operationMs: 60_000 } });
    await server.kill();
    await until("the loss was noticed", () => openConnections(engine) === 0);
    const patient = engine.put("a", "1");
    const impatient = await failureOf(engine.put("b", "1", { timeoutMs: 30 }));
    assert.deepEqual([impatient.code, impatient.outcome], ["TIMEOUT", "not-applied"]);
    assert.equal((await engine.healthCheck()).healthy, false);
    await server.restart();
    await patient;
    assert.deepEqual(await valuesOn(server, ["a", "b"]), ["1", null]);
    assert.equal((await engine.healthCheck()).healthy, true);
  });

  test("a server that is full refuses writes as not applied and still answers reads", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server);
    await engine.put("a", "1");
    const admin = new Redis(server.url);
    t.after(() => admin.disconnect());
    await admin.config("SET", "maxmemory", "1mb");
    const failures = await Promise.all([
      failureOf(engine.put("b", "1")),
      failureOf(engine.put("c", "1", { ttlMs: 5000 })),
      failureOf(engine.increment("d")),
      failureOf(engine.setIfNotExists("e", "1")),
      failureOf(engine.compareAndSwap("f", null, "1")),
      failureOf(engine.transaction([{ type: "put", key: "g", value: "1" }])),
    ]);
    for (const error of failures) {
      assert.deepEqual([error.code, error.reason, error.outcome], ["BACKEND", "OOM", "not-applied"], error.message);
    }
    assert.equal(String(await engine.get("a")), "1");
    assert.equal(await engine.delete("a"), true);
    await admin.config("SET", "maxmemory", "0");
    assert.equal(await engine.count(), 0);
  });

  test("a key of another type fails what needs a value of ours and its neighbours not", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server);
    const other = new Redis(server.url);
    t.after(() => other.disconnect());
    await other.lpush("state:list", "x");
    await engine.put("a", "1");
    const [a, sum, taken] = await Promise.all([
      engine.get("a"),
      failureOf(engine.increment("list")),
      failureOf(engine.getAndDelete("list")),
    ]);
    assert.equal(String(a), "1");
    assert.deepEqual([sum.reason, taken.reason], ["WRONGTYPE", "WRONGTYPE"]);
    assert.equal(await engine.delete("list"), true);
  });

  test("createEngine fails within connectMs, naming host and port and never the password", async (t) => {
    nothingEscapes(t);
    // Nothing listens on it, and no other test can be given it meanwhile as it can a port that was free a moment ago.
    const port = 1;
    const silent = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    t.after(() => new Promise<void>((resolve) => silent.close(() => resolve())));
    const closing = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => closing.listen(0, "127.0.0.1", resolve));
    t.after(() => new Promise<void>((resolve) => closing.close(() => resolve())));
    const portOf = (server: typeof silent): number => (server.address() as { port: number }).port;
    for (const [target, connectMs, why] of [
      [port, 60_000, /refused/],
      [portOf(silent), 300, /no answer within 300 ms/],
      [portOf(closing), 60_000, /closed|reset/],
    ] as const) {
      const startedMs = performance.now();
      const backend = `redis://user:${encodeURIComponent(PASSWORD)}@127.0.0.1:${target}/3`;
      const error = await failureOf(createEngine({ backend, timeouts: { connectMs } }));
      assert.ok(performance.now() - startedMs < 30_000);
      assert.equal(error.code, "CONNECTION");
      assert.match(error.message, why);
      assert.ok(error.message.includes(`127.0.0.1:${target}`), error.message);
      assertNoSecret(error);
    }
  });

  test("a password that is wrong, missing or not needed is told apart and never shown", async (t) => {
    const server = await openServer(t, { args: ["--requirepass", "right"] });
    const open = (credentials: string): Promise<Engine> =>
      createEngine({ backend: `redis://${credentials}127.0.0.1:${server.port}`, timeouts: PATIENT });
    const wrong = await failureOf(open(`:${encodeURIComponent(PASSWORD)}@`));
    assert.deepEqual([wrong.code, wrong.reason, wrong.retryable], ["CONNECTION", "WRONGPASS", false]);
    assertNoSecret(wrong);
    const missing = await failureOf(open(""));
    assert.deepEqual([missing.code, missing.reason], ["CONNECTION", "NOAUTH"]);
    const engine = await open(":right@");
    await engine.put("a", "1");
    assert.equal(await engine.count(), 1);
    await engine.close();
    const backend = `redis://:right@127.0.0.1:${server.port}/9999`;
    const noDatabase = await failureOf(createEngine({ backend, timeouts: PATIENT }));
    assert.match(noDatabase.message, /SELECT 9999 was refused/);
  });

  test("errors of scans and health checks name no password either", async (t) => {
    const server = await openServer(t, { args: ["--requirepass", PASSWORD] });
    const backend = `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${server.port}`;
    const engine = await createEngine({ backend, timeouts: { operationMs: 200 } });
    t.after(() => engine.close());
    await eventually(() => engine.put("a", "1"));
    await server.kill();
    assertNoSecret(await failureOf(engine.count()));
    assertNoSecret(await failureOf(engine.clear("a")));
    assertNoSecret(await failureOf(engine.serverInfo()));
    assertNoSecret(await failureOf(engine.put("a", "1")));
    assertNoSecret(await engine.healthCheck());
  });

  test("the control connection is replaced after a restart", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server);
    await engine.put("a", "1");
    assert.equal(await engine.count(), 1);
    await server.kill();
    await server.restart();
    await until("scans work again", async () => (await settled(engine.count())).ok);
    await engine.put("b", "1");
    assert.deepEqual(await engine.listKeys(), ["b"]);
  });

  test("an engine is closed at once while its server is away, frozen or silent", async (t) => {
    const server = await openServer(t);
    const away = await openEngine(t, server);
    const frozen = await openEngine(t, server);
    await Promise.all([away.put("a", "1"), frozen.count()]);
    server.pause();
    await frozen.close();
    server.resume();
    await server.kill();
    await until("the loss was noticed", () => openConnections(away) === 0);
    await away.close();
  });
}

function assertNoSecret(given: unknown): void {
  const shown = `${inspect(given, { depth: 10, showHidden: true })} ${JSON.stringify(given)}`;
  for (const form of [PASSWORD, encodeURIComponent(PASSWORD), "s3cret"]) {
    assert.ok(!shown.includes(form), `the password shows: ${shown}`);
  }
}

if (await redisIsThere("names of operations")) {
  test("a call on many keys that fails names itself, not the steps that it takes", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server, { timeouts: { connectMs: 500, operationMs: 500 } });
    await engine.put("a", "1");
    await server.stop();
    const calls: Record<string, () => Promise<unknown>> = {
      listKeys: () => engine.listKeys(),
      count: () => engine.count(),
      clear: () => engine.clear("a"),
      memoryUsage: () => engine.memoryUsage(),
      serverInfo: () => engine.serverInfo(),
      keys: () => engine.keys()[Symbol.asyncIterator]().next(),
      entries: () => engine.entries()[Symbol.asyncIterator]().next(),
    };
    for (const [name, call] of Object.entries(calls)) {
      const error = await failureOf(call());
      assert.equal(error.operation, name);
      assert.ok(error.message.startsWith(`${name} on redis`), error.message);
    }
  });
}
