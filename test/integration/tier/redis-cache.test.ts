import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createEngine, type Engine, type EngineOptions } from "../../../src/index.js";
import { type RedisServer, type RedisServerOptions, startFaultProxy, startRedis } from "../../../src/testing/index.js";
import { eventually, nothingEscapes } from "../../support/outcomes.js";
import { redisIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

/** Nothing here may depend on time running out. */
const CACHE = { maxBytes: 1024 * 1024, ttlMs: 3_600_000 };

async function openServer(t: TestScope, options?: RedisServerOptions): Promise<RedisServer> {
  nothingEscapes(t);
  const server = await startRedis(options);
  t.after(() => server.stop());
  return server;
}

async function openEngine(t: TestScope, backend: string, options: Omit<EngineOptions, "backend"> = {}) {
  const engine = await createEngine({
    cache: CACHE,
    retry: { baseDelayMs: 5, maxDelayMs: 20 },
    ...options,
    backend,
  });
  t.after(() => engine.close());
  return engine;
}

function outsider(t: TestScope, url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => null });
  // The server goes first when the test ends.
  client.on("error", () => {});
  t.after(() => client.disconnect());
  return client;
}

const text = (value: Buffer | null): string | null => value?.toString() ?? null;

const cacheOf = (engine: Engine) => engine.stats().cache!;

if (await redisIsThere("a cache over Redis")) {
  test("what was read once is read without the server, and another client's write is seen all the same", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url);
    const client = outsider(t, server.url);
    for (const next of ["one", "two", "three"]) {
      await client.set("state:key", next);
      await until("the write is seen", async () => text(await engine.get("key")) === next);
      const { batches } = engine.stats();
      for (let i = 0; i < 10; i++) assert.equal(text(await engine.get("key")), next);
      assert.equal(engine.stats().batches, batches);
    }
    assert.ok(cacheOf(engine).hits >= 30);
    assert.equal(cacheOf(engine).invalidation, "changes");
    assert.equal(cacheOf(engine).invalidations, 2);
  });

  test("that a key is absent is kept too, until another client makes it", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url);
    const client = outsider(t, server.url);
    assert.equal(await engine.get("key"), null);
    const { batches } = engine.stats();
    assert.equal(await engine.get("key"), null);
    assert.equal(await engine.contains("key"), false);
    assert.equal(engine.stats().batches, batches);
    await client.set("state:key", "made");
    await until("it is seen", () => cacheOf(engine).invalidations === 1);
    assert.equal(text(await engine.get("key")), "made");
  });

  test("deletions, expiry and FLUSHALL by others are heard of", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url);
    const client = outsider(t, server.url);
    await client.mset("state:a", "1", "state:b", "1", "state:c", "1");
    assert.deepEqual((await engine.batchGet(["a", "b", "c"])).map(text), ["1", "1", "1"]);
    await client.del("state:a");
    await until("the deletion is seen", async () => (await engine.get("a")) === null);
    await client.pexpire("state:b", 20);
    await until("the expiry is seen", async () => (await engine.get("b")) === null);
    await client.flushall();
    await until("the emptying is seen", async () => (await engine.get("c")) === null);
    assert.equal(cacheOf(engine).flushes, 1);
  });

  test("reads of one key that are called while it is being read are one read of the server", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const engine = await openEngine(t, `redis://127.0.0.1:${proxy.port}`, { batching: { maxSize: 10 } });
    const client = outsider(t, server.url);
    await client.set("state:hot", "value");
    await client.config("RESETSTAT");
    await proxy.set({ toServer: { delayMs: 50 } });
    const reads: Promise<Buffer | null>[] = [];
    for (let turn = 0; turn < 10; turn++) {
      for (let i = 0; i < 20; i++) reads.push(engine.get("hot"), engine.get(`cold ${turn} ${i}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const contained = engine.contains("hot");
    const values = await Promise.all(reads);
    assert.ok(values.every((value, index) => text(value) === (index % 2 === 0 ? "value" : null)));
    assert.equal(await contained, true);
    const hot = values.filter((value) => value !== null);
    hot[0]!.fill(0);
    assert.ok(hot.slice(1).every((value) => text(value) === "value"));
    const stats = await client.info("commandstats");
    const keys = engine.stats().operationsTotal - engine.stats().coalesced;
    assert.equal(keys, 201, stats);
    assert.ok(cacheOf(engine).shared >= 100, JSON.stringify(cacheOf(engine)));
  });

  test("what callers do to a Buffer changes nothing that others get", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url, { compression: { codec: "none" } });
    for (const value of ["small", "x".repeat(5000), ""]) {
      await engine.put("key", value);
      for (let i = 0; i < 4; i++) {
        const got = (await engine.get("key"))!;
        assert.equal(got.toString(), value);
        got.fill(0);
      }
    }
    assert.equal(cacheOf(engine).hits, 9);
  });

  test("writes through any view of the engine are seen by any other at once", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url);
    const view = engine.namespace("n:");
    await engine.put("n:key", "one");
    assert.equal(text(await view.get("key")), "one");
    await view.put("key", "two");
    assert.equal(text(await engine.get("n:key")), "two");
    await engine.transaction([{ type: "put", key: "n:key", value: "three" }]);
    assert.equal(text(await view.get("key")), "three");
    await view.getAndDelete("key");
    assert.equal(await engine.get("n:key"), null);
    await engine.increment("n:key", 5);
    assert.equal(text(await view.get("key")), "5");
    await view.compareAndSwap("key", "5", "6");
    assert.equal(text(await engine.get("n:key")), "6");
    await engine.batchPut([["n:key", "seven"]]);
    assert.equal(text(await view.get("key")), "seven");
    await view.expire("key", 60_000);
    await view.clear();
    assert.equal(await engine.get("n:key"), null);
  });

  test("keys and values of every kind come back as the server has them", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url);
    const client = outsider(t, server.url);
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    for (const key of ["plain", "ünïcode ключ", Buffer.from([0xff, 0x00, 0x80]), Buffer.from("as bytes")]) {
      await engine.put(key, bytes);
      for (let i = 0; i < 3; i++) assert.deepEqual(await engine.get(key), bytes);
      await client.set(Buffer.concat([Buffer.from("state:"), Buffer.from(key as Buffer)]), "changed");
      await until("the change is seen", async () => text(await engine.get(key)) === "changed");
    }
  });

  test("a lost link empties the cache, nothing is kept while it is down, and it is heard again once it is back", async (t) => {
    const server = await openServer(t);
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const engine = await openEngine(t, `redis://127.0.0.1:${proxy.port}`);
    const client = outsider(t, server.url);
    for (let round = 1; round <= 3; round++) {
      await client.set("state:key", `before ${round}`);
      await until("it is kept", async () => {
        const { hits } = cacheOf(engine);
        return text(await engine.get("key")) === `before ${round}` && cacheOf(engine).hits > hits;
      });
      await proxy.set({ accept: "refuse" });
      await proxy.cut();
      await until("the loss is noticed", () => cacheOf(engine).flushes === round);
      assert.equal(cacheOf(engine).entries, 0);
      assert.equal(cacheOf(engine).invalidation, "down");
      // Not heard of, and nobody may see the old value after the link is back.
      await client.set("state:key", `unheard ${round}`);
      const during = engine.get("key");
      assert.equal(cacheOf(engine).entries, 0);
      await proxy.clear();
      assert.equal(text(await during), `unheard ${round}`);
      assert.equal(text(await engine.get("key")), `unheard ${round}`);
    }
  });

  test("a server that is frozen without a word is found out, and what it can no longer vouch for is dropped", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url, { timeouts: { operationMs: 300 } });
    await eventually(() => engine.put("key", "value"));
    await until("it is kept", async () => {
      assert.equal(text(await eventually(() => engine.get("key"))), "value");
      return cacheOf(engine).entries === 1;
    });
    server.pause();
    const { flushes } = cacheOf(engine);
    // Nothing is asked of the server: only the heartbeat can tell.
    await until("the silence is noticed", () => cacheOf(engine).flushes > flushes);
    assert.equal(cacheOf(engine).entries, 0);
    server.resume();
    await until("the link is back", () => cacheOf(engine).invalidation === "changes");
    assert.equal(text(await eventually(() => engine.get("key"))), "value");
  });

  test("the server remembers what is kept, and not all that is read", async (t) => {
    const server = await openServer(t);
    // A machine that stalls must not look like a server that has gone: the cache would be empty again.
    const timeouts = { operationMs: 120_000 };
    const engine = await openEngine(t, server.url, { timeouts, cache: { ...CACHE, maxBytes: 32 * 1024 } });
    const client = outsider(t, server.url);
    const trackedKeys = async (): Promise<number> => {
      const facts = await client.info("stats");
      return Number(/tracking_total_keys:(\d+)/.exec(facts)![1]);
    };
    const keys = Array.from({ length: 3000 }, (_, index) => `key ${index}`);
    await engine.batchPut(keys.map((key) => [key, `value of ${key}`]));
    const readAll = async (some: readonly string[]): Promise<void> => {
      const values = await engine.batchGet(some);
      assert.deepEqual(
        values.map(text),
        some.map((key) => `value of ${key}`),
      );
    };
    for (const key of keys.slice(0, 500)) await engine.get(key);
    const { entries } = cacheOf(engine);
    const tracked = await trackedKeys();
    assert.ok(entries > 50 && tracked >= entries && tracked < 300, `${tracked} for ${entries}`);
    // Both kinds in one batch, in any order.
    for (let from = 500; from < 2900; from += 100) {
      await engine.get(keys[from]!);
      await readAll(keys.slice(from - 50, from + 150));
    }
    const hot = keys.slice(2950, 2960);
    for (let i = 0; i < 3; i++) await readAll([...hot, ...keys.slice(i * 10, i * 10 + 10)]);
    await until("most of them are kept", async () => {
      const { hits } = cacheOf(engine);
      await readAll(hot);
      return cacheOf(engine).hits > hits + hot.length / 2;
    });
    await client.mset(...hot.flatMap((key) => [`state:${key}`, "changed"]));
    await until("the changes are seen", async () =>
      (await engine.batchGet(hot)).map(text).every((v) => v === "changed"),
    );
  });

  test("where the server may not be told what to remember, entries live by their time only", async (t) => {
    const server = await openServer(t);
    const client = outsider(t, server.url);
    await client.call("ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all", "-client|caching");
    const engine = await openEngine(t, `redis://plain:secret@127.0.0.1:${server.port}`);
    assert.equal(cacheOf(engine).invalidation, "time");
    await client.set("state:key", "one");
    assert.equal(text(await engine.get("key")), "one");
    assert.equal(text(await engine.get("key")), "one");
  });

  test("when the right to be told is taken away, what was kept goes and entries live by their time", async (t) => {
    const server = await openServer(t);
    const client = outsider(t, server.url);
    await client.call("ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all");
    const engine = await openEngine(t, `redis://plain:secret@127.0.0.1:${server.port}`);
    await engine.put("key", "one");
    assert.equal(text(await engine.get("key")), "one");
    assert.equal(cacheOf(engine).invalidation, "changes");
    await client.call("ACL", "SETUSER", "plain", "-client|caching");
    assert.equal(await engine.get("another"), null);
    await until("it is known", () => cacheOf(engine).invalidation === "time");
    assert.equal(cacheOf(engine).flushes, 1);
    assert.equal(text(await engine.get("key")), "one");
  });

  test("where tracking is not allowed entries live by their time only, absence is not kept, and the log says so", async (t) => {
    const server = await openServer(t);
    const client = outsider(t, server.url);
    await client.call("ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all", "-client|tracking");
    const warnings: string[] = [];
    const ignore = (): void => {};
    const engine = await openEngine(t, `redis://plain:secret@127.0.0.1:${server.port}`, {
      cache: { ...CACHE, ttlMs: 40 },
      logger: {
        debug: ignore,
        info: ignore,
        error: ignore,
        warn: (_details: object, message: string) => warnings.push(message),
      },
    });
    assert.equal(cacheOf(engine).invalidation, "time");
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /does not tell of changes/);
    assert.equal(await engine.get("key"), null);
    await client.set("state:key", "one");
    assert.equal(text(await engine.get("key")), "one");
    await client.set("state:key", "two");
    await until("the time is over", async () => text(await engine.get("key")) === "two");
  });

  test("an entry lives no longer here than this engine said, and than it was told", async (t) => {
    const server = await openServer(t, { args: ["--enable-debug-command", "yes"] });
    const client = outsider(t, server.url);
    // Only what this process knows counts: the server is slow to let go of expired keys, and says nothing before.
    await client.call("DEBUG", "SET-ACTIVE-EXPIRE", "0");
    const engine = await openEngine(t, server.url);
    await engine.put("said", "value", { ttlMs: 4000 });
    await client.set("state:told", "value", "PX", 4000);
    assert.equal(text(await engine.get("said")), "value");
    assert.ok((await engine.ttl("told"))! > 0);
    assert.equal(text(await engine.get("told")), "value");
    await until("it is gone", async () => (await engine.get("said")) === null);
    await until("it is gone", async () => (await engine.get("told")) === null);
  });

  test("a value read after its lifetime here, which the store began to count later, is not kept", async (t) => {
    const server = await openServer(t, { args: ["--enable-debug-command", "yes"] });
    await outsider(t, server.url).call("DEBUG", "SET-ACTIVE-EXPIRE", "0");
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const engine = await openEngine(t, `redis://127.0.0.1:${proxy.port}`);
    assert.equal(await engine.get("key"), null);
    await proxy.set({ toServer: { delayMs: 300 } });
    await engine.put("key", "value", { ttlMs: 400 });
    await proxy.clear();
    // Here the lifetime is over after 400 ms, in the store after 700.
    await until("it is gone", async () => (await engine.get("key")) === null);
  });

  test("many keys and values never take more than cache.maxBytes", async (t) => {
    const server = await openServer(t);
    const maxBytes = 256 * 1024;
    const engine = await openEngine(t, server.url, { cache: { ...CACHE, maxBytes } });
    const keys = Array.from({ length: 5000 }, (_, index) => `key ${index}`);
    await engine.batchPut(keys.map((key, index) => [key, "v".repeat(index % 700)]));
    for (let round = 0; round < 3; round++) {
      for (let from = 0; from < keys.length; from += 100) {
        const some = keys.slice(from, from + 100);
        // What is read once only is not taken in where it would push out others.
        for (const values of [await engine.batchGet(some), await engine.batchGet(some)]) {
          assert.ok(values.every((value, index) => value!.length === (from + index) % 700));
        }
      }
      assert.ok(cacheOf(engine).bytes <= maxBytes && cacheOf(engine).bytes > maxBytes / 2);
    }
    assert.ok(cacheOf(engine).evictions > 100);
  });

  test("a caller that awaits nothing but hits lets changes by others in", async (t) => {
    const server = await openServer(t);
    const engine = await openEngine(t, server.url);
    const client = outsider(t, server.url);
    await client.set("state:key", "old");
    await engine.get("key");
    const changed = client.set("state:key", "new");
    let reads = 0;
    while (text(await engine.get("key")) !== "new") assert.ok(++reads < 50_000_000);
    await changed;
    await engine.batchGet(["key"]);
    const again = client.set("state:key", "newer");
    while (text((await engine.batchGet(["key"]))[0]!) !== "newer") assert.ok(++reads < 50_000_000);
    await again;
  });
}
