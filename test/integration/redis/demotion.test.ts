import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../../src/index.js";
import { type RedisServer, startRedis } from "../../../src/testing/index.js";
import { openConnections } from "../../support/connections.js";
import { eventually, failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { redisIsThere, type StoreOptions, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

/** An address that leads to one server, and then to another: connections that are there stay. */
async function startAddress(t: TestScope, first: RedisServer) {
  const address = { leadsTo: first.port, port: 0 };
  const sockets = new Set<Socket>();
  const front = createServer((near) => {
    const far = connect(address.leadsTo, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    front.close();
  });
  address.port = (front.address() as { port: number }).port;
  return address;
}

async function openServer(t: TestScope): Promise<{ readonly server: RedisServer; readonly admin: Redis }> {
  nothingEscapes(t);
  const server = await startRedis();
  t.after(() => server.stop());
  const admin = new Redis(server.url);
  t.after(() => admin.disconnect());
  return { server, admin };
}

async function openEngine(t: TestScope, port: number, options: StoreOptions = {}): Promise<Engine> {
  const backend = `redis://127.0.0.1:${port}`;
  const patient = { timeouts: { operationMs: 20_000 }, retry: { retries: 0 }, circuitBreaker: false };
  const engine = await createEngine({ ...patient, ...options, keyPrefix: "app:", backend } as Parameters<
    typeof createEngine
  >[0]);
  t.after(() => engine.close());
  return engine;
}

async function connectionsSoFar(admin: Redis): Promise<number> {
  return Number(/total_connections_received:(\d+)/.exec(await admin.info("stats"))![1]);
}

if (await redisIsThere("a server that is demoted")) {
  for (const connections of [1, 3]) {
    test(`writes find the new master behind the address, and reads go on meanwhile, with ${connections} connections`, async (t) => {
      const [old, next] = [await openServer(t), await openServer(t)];
      const address = await startAddress(t, old.server);
      const engine = await openEngine(t, address.port, { pool: { min: connections, max: connections } });
      await until("all are open", () => openConnections(engine) === connections);
      const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
      for (const key of keys) await engine.put(key, "before");
      assert.equal(await engine.count(), 20);
      for (const key of keys) await next.admin.set(`app:${key}`, "before");
      address.leadsTo = next.server.port;
      await old.admin.replicaof("127.0.0.1", 1);

      let isOver = false;
      const reading = (async () => {
        while (!isOver) for (const value of await engine.batchGet(keys)) assert.ok(value !== null);
      })();
      const refused = await failureOf(engine.put("refused", "1"));
      assert.deepEqual([refused.reason, refused.outcome, refused.retryable], ["READONLY", "not-applied", true]);
      for (const key of keys) await eventually(() => engine.put(key, "after"));
      await engine.put("other", "after");
      await until("scans find it too", async () => (await settled(engine.clear("other"))).ok);
      isOver = true;
      await reading;
      assert.equal(await next.admin.strlen("app:key 0"), "8 bytes.".length + "after".length);
      assert.equal(await next.admin.get("app:other"), null);
    });
  }

  test("increments and clears alone find it as well", async (t) => {
    for (const call of [(engine: Engine) => engine.increment("counter"), (engine: Engine) => engine.clear()]) {
      const [old, next] = [await openServer(t), await openServer(t)];
      const address = await startAddress(t, old.server);
      const engine = await openEngine(t, address.port);
      await engine.put("a", "1");
      await engine.count();
      address.leadsTo = next.server.port;
      await old.admin.replicaof("127.0.0.1", 1);
      await until("it is found", async () => (await settled<unknown>(call(engine))).ok);
    }
  });

  test("a server that is and stays a replica is asked for seldom, and reads of it do not fail", async (t) => {
    const { server, admin } = await openServer(t);
    await admin.set("app:a", "1");
    await admin.replicaof("127.0.0.1", 1);
    const engine = await openEngine(t, server.port);
    const before = await connectionsSoFar(admin);
    const startedMs = performance.now();
    while (performance.now() - startedMs < 2000) {
      const [read, write] = await Promise.all([engine.get("a"), settled(engine.put("a", "2"))]);
      assert.equal(String(read), "1");
      assert.equal(!write.ok && write.error.reason, "READONLY");
    }
    const tookMs = performance.now() - startedMs;
    const made = (await connectionsSoFar(admin)) - before;
    // Waits that double, from half a second on.
    assert.ok(made >= 1 && made <= 2 + Math.log2(tookMs / 500), `${made} connections in ${tookMs} ms`);
    assert.equal(openConnections(engine), 1);
  });
}
