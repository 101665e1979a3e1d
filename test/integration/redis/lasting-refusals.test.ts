import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../../src/index.js";
import { type RedisServer, startRedis } from "../../../src/testing/index.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { redisIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const OPERATION_MS = 20_000;

interface Refused {
  readonly server: RedisServer;
  readonly admin: Redis;
  readonly engine: Engine;
}

/** An engine whose user the server is about to refuse. Operations have long deadlines: refusals must not wait for them. */
async function openEngine(t: TestScope): Promise<Refused> {
  nothingEscapes(t);
  const server = await startRedis();
  t.after(() => server.stop());
  const admin = new Redis(server.port, "127.0.0.1");
  t.after(() => admin.disconnect());
  await admin.acl("SETUSER", "app", "on", ">old", "~*", "+@all");
  const engine = await createEngine({
    backend: `redis://app:old@127.0.0.1:${server.port}`,
    timeouts: { operationMs: OPERATION_MS },
    circuitBreaker: { failures: 2, resetMs: 60_000 },
  });
  t.after(() => engine.close());
  await engine.put("key", "before");
  return { server, admin, engine };
}

/** Ends the engine's connections, so that it has to log in again. */
function disconnect(admin: Redis): Promise<unknown> {
  return admin.client("KILL", "USER", "app");
}

if (await redisIsThere("refusals that last")) {
  test("a password that was changed fails what waits and what is called with WRONGPASS at once, until it fits again", async (t) => {
    const { admin, engine } = await openEngine(t);
    await admin.acl("SETUSER", "app", "resetpass", ">new");
    await disconnect(admin);
    await until("calls are refused", async () => (await settled(engine.get("key"))).ok === false);
    for (let call = 0; call < 20; call++) {
      const startedMs = performance.now();
      const error = await failureOf(engine.put("key", "refused"));
      assert.deepEqual(
        [error.code, error.reason, error.retryable, error.outcome],
        ["CONNECTION", "WRONGPASS", false, "not-applied"],
      );
      assert.doesNotMatch(error.message, /old|new/);
      assert.ok(performance.now() - startedMs < OPERATION_MS / 2, "it waited for its deadline");
    }
    assert.equal(engine.stats().circuit, "closed", "the circuit hides the reason");
    await admin.acl("SETUSER", "app", "resetpass", ">old");
    await until("calls are served", async () => (await settled(engine.get("key"))).ok);
    assert.equal(String(await engine.get("key")), "before");
  });

  test("a server that refuses to log us in is asked seldom", async (t) => {
    const { admin, engine } = await openEngine(t);
    await admin.acl("LOG", "RESET");
    await admin.acl("SETUSER", "app", "off");
    await disconnect(admin);
    const startedMs = performance.now();
    await until("two seconds have passed", async () => {
      await settled(engine.get("key"));
      return performance.now() - startedMs > 2000;
    });
    const tookMs = performance.now() - startedMs;
    const log = (await admin.acl("LOG")) as unknown[][];
    const attempts = log.reduce((sum, entry) => sum + Number(entry[entry.indexOf("count") + 1]), 0);
    // Waits that double: 250, 500, 1000 ms and so on, less up to three tenths.
    const most = 3 + Math.ceil(Math.log2(tookMs / 175));
    assert.ok(attempts >= 1 && attempts <= most, `${attempts} attempts in ${tookMs} ms`);
  });

  test("commands that the user may not give fail alone with NOPERM, neither retried nor held against the store", async (t) => {
    const { admin, engine } = await openEngine(t);
    await admin.acl("SETUSER", "app", "-unlink");
    for (let call = 0; call < 5; call++) {
      const error = await failureOf(engine.delete("key"));
      assert.deepEqual([error.code, error.reason, error.outcome], ["BACKEND", "NOPERM", "not-applied"]);
    }
    assert.equal(String(await engine.get("key")), "before");
    assert.equal(engine.stats().retries, 0);
    assert.equal(engine.stats().circuit, "closed");
  });

  test("a lifetime that was taken away is not said to be there, where the user may not ask for the key", async (t) => {
    const { admin, engine } = await openEngine(t);
    await engine.put("mortal", "1", { ttlMs: 600_000 });
    await admin.acl("SETUSER", "app", "-exists");
    assert.equal(await engine.expire("mortal", null), true);
    assert.equal(await admin.pttl("state:mortal"), -1);
    const error = await failureOf(engine.expire("mortal", null));
    assert.deepEqual([error.reason, error.outcome], ["NOPERM", "not-applied"]);
  });

  test("a key that the user may not touch fails alone, not those that it shares a command with", async (t) => {
    const { server, admin } = await openEngine(t);
    await admin.acl("SETUSER", "app", "resetkeys", "~mine:*");
    const ways = [{ pool: { max: 1 } }, { pool: { max: 3 } }, { cache: {} }];
    for (const [round, way] of ways.entries()) {
      const backend = `redis://app:old@127.0.0.1:${server.port}`;
      const engine = await createEngine({ ...way, backend, keyPrefix: "", retry: { retries: 0 } });
      t.after(() => engine.close());
      const names = Array.from({ length: 300 }, (_, i) => (i % 100 === 50 ? `theirs:${i}` : `mine:${i}`));
      const calls: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
        put: (name) => engine.put(name, `value of ${name}`),
        get: (name) => engine.get(name),
        "put with a lifetime": (name) => engine.put(name, `value of ${name}`, { ttlMs: 60_000 }),
        increment: (name) => engine.increment(name.replace(":", ":n")),
      };
      for (const [what, call] of Object.entries(calls)) {
        const endings = await Promise.all(names.map((name) => settled(call(name))));
        for (const [index, ending] of endings.entries()) {
          const name = names[index]!;
          if (name.startsWith("theirs:")) {
            assert.ok(!ending.ok, `${what} of ${name} was let through`);
            const { reason, outcome, retryable, key } = ending.error;
            const ofKey = what === "increment" ? name.replace(":", ":n") : name;
            assert.deepEqual([reason, outcome, retryable, key], ["NOPERM", "not-applied", false, ofKey]);
          } else {
            assert.ok(ending.ok, `${what} of ${name} failed with the others`);
            if (what === "get") assert.equal(String(ending.value), `value of ${name}`);
          }
        }
      }
      assert.deepEqual(
        await Promise.all(
          [engine.get("mine:7"), engine.increment("mine:n7", 0)].map(async (call) => String(await call)),
        ),
        ["value of mine:7", String(round + 1)],
      );
      assert.equal(engine.stats().circuit, "closed");
    }
  });

  test("calls behind one that the user may not make see it, and keep their order", async (t) => {
    const { server, admin } = await openEngine(t);
    await admin.acl("SETUSER", "app", "resetkeys", "~mine:*");
    const backend = `redis://app:old@127.0.0.1:${server.port}`;
    const engine = await createEngine({ backend, keyPrefix: "", batching: { maxSize: 8 } });
    t.after(() => engine.close());
    for (let round = 0; round < 50; round++) {
      const calls = Array.from({ length: 40 }, (_, i) => [
        settled(engine.put(`mine:${i % 5}`, `${round}.${i}`)),
        settled(engine.get(`mine:${i % 5}`)),
        settled(engine.put(i % 7 === 0 ? "theirs" : `mine:other ${i}`, "1")),
      ]).flat();
      const endings = await Promise.all(calls);
      for (let i = 0; i < 40; i++) {
        const [put, got] = [endings[i * 3]!, endings[i * 3 + 1]!];
        // Overtaken by later calls of its key it may fail, and says that it changed nothing.
        if (!put.ok) assert.deepEqual([put.error.reason, put.error.outcome], ["NOPERM", "not-applied"]);
        else if (got.ok) assert.equal(String(got.value), `${round}.${i}`);
      }
      assert.ok(endings.some(({ ok }) => !ok));
    }
  });

  test("scans name the refusal too", async (t) => {
    const { admin, engine } = await openEngine(t);
    await admin.acl("SETUSER", "app", "resetpass", ">new");
    await disconnect(admin);
    const error = await failureOf(engine.count());
    assert.deepEqual([error.code, error.reason, error.retryable], ["CONNECTION", "WRONGPASS", false]);
    assert.doesNotMatch(`${error.message} ${String((error.cause as Error).message)}`, /old/);
  });
}
