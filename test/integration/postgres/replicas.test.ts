import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { createEngine, type Engine, type EngineOptions } from "../../../src/index.js";
import { type PostgresServer, startFaultProxy, startPostgres } from "../../../src/testing/index.js";
import { losing } from "../../support/lost-memory.js";
import { failureOf, nothingEscapes } from "../../support/outcomes.js";
import { queryOn } from "../../support/postgres-query.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

interface Scene {
  readonly primary: PostgresServer;
  readonly replica: PostgresServer;
  /** Asks the replica. */
  readonly ask: (text: string) => Promise<Record<string, unknown>[]>;
}

/** @param replicaAhead what the replica's clock is ahead of the primary's, as an interval */
async function openScene(t: TestScope, replicaAhead?: string): Promise<Scene> {
  nothingEscapes(t);
  const primary = await startPostgres();
  t.after(() => primary.stop());
  if (replicaAhead !== undefined) {
    await queryOn(primary.url, "CREATE SCHEMA skewed");
    await queryOn(
      primary.url,
      `CREATE FUNCTION skewed.now() RETURNS timestamptz LANGUAGE sql STABLE
       AS $$SELECT pg_catalog.now() + interval '${replicaAhead}'$$`,
    );
  }
  const settings = replicaAhead === undefined ? {} : { search_path: "skewed,pg_catalog,public" };
  const replica = await startPostgres({ primary, settings });
  t.after(() => replica.stop());
  const client = new Client(replica.url);
  client.on("error", () => {});
  await client.connect();
  t.after(() => client.end());
  return { primary, replica, ask: async (text) => (await client.query(text)).rows };
}

async function openEngine(
  t: TestScope,
  { primary, replica }: Scene,
  replicaLagMs: number,
  options: Omit<EngineOptions, "backend"> = {},
): Promise<Engine> {
  const engine = await createEngine({ replicas: [replica.url], ...options, backend: primary.url, replicaLagMs });
  t.after(() => engine.close());
  return engine;
}

async function textAt(engine: Engine, key: string): Promise<string | undefined> {
  return (await engine.get(key))?.toString();
}

/** Whether a read of this engine was served by the replica: its count of reads by the key's index went up. */
async function readsFromReplica(engine: Engine, { ask }: Scene): Promise<boolean> {
  const scans = async (): Promise<number> => {
    const [row] = await ask(
      "SELECT coalesce(sum(idx_scan) + sum(seq_scan), 0)::int AS n FROM pg_stat_user_tables WHERE relname = 'millrace_entries'",
    );
    return Number(row!.n);
  };
  const before = await scans();
  await engine.get("some key");
  return (await scans()) > before;
}

if (await postgresIsThere("replicas of PostgreSQL")) {
  test("reads go to a replica that follows closely, writes of this engine are always seen by it", async (t) => {
    const scene = await openScene(t);
    const engine = await openEngine(t, scene, 60_000);
    await engine.put("a", "one");
    await until("the replica is read", () => readsFromReplica(engine, scene));

    await scene.ask("SELECT pg_wal_replay_pause()");
    const other = await openEngine(t, scene, 60_000);
    await until("the other engine reads the replica", () => readsFromReplica(other, scene));
    assert.equal(await textAt(other, "a"), "one");
    const put = engine.put("a", "two");
    assert.equal(await textAt(engine, "a"), "two", "called behind a put that is not awaited");
    await put;
    for (let i = 0; i < 20; i++) assert.equal(await textAt(engine, "a"), "two", "its own write");
    assert.equal(await textAt(other, "a"), "one", "another's write, within the lag that was allowed");
    assert.equal(await engine.increment("n"), 1n);
    assert.equal(await textAt(engine, "n"), "1");
    assert.equal(await engine.clear("a"), 1);
    assert.equal(await textAt(engine, "a"), undefined, "cleared by this engine");

    await scene.ask("SELECT pg_wal_replay_resume()");
    await until("the replica has caught up", async () => (await textAt(other, "a")) === undefined);
    await until("the replica is read again", () => readsFromReplica(engine, scene));
  });

  test("reads that a replica has, and what is beside them, are done where a value of theirs was transferred", async (t) => {
    const scene = await openScene(t);
    const writer = await createEngine(scene.primary.url);
    t.after(() => writer.close());
    await writer.put("a", "one");
    const engine = await openEngine(t, scene, 60_000);
    await until("the replica is read", () => readsFromReplica(engine, scene));
    for (let round = 0; round < 20; round++) {
      const value = losing(64);
      const lost = failureOf(engine.put("lost", value.bytes));
      const calls = [engine.get("a"), engine.put("kept", String(round)), engine.get("kept"), engine.increment("n")];
      value.lose();
      assert.equal((await lost).reason, "ERR_VALUE_UNSTABLE");
      assert.deepEqual((await Promise.all(calls)).map(String), ["one", "undefined", String(round), String(round + 1)]);
    }
    await engine.flush();
    assert.equal(engine.stats().inFlightBatches, 0);
  });

  for (const replicaAhead of ["10 s", "-10 s"]) {
    test(`lifetimes end by the primary's clock, though a replica's is ahead by ${replicaAhead}`, async (t) => {
      const scene = await openScene(t, replicaAhead);
      const engine = await openEngine(t, scene, 60_000);
      const writer = await createEngine(scene.primary.url);
      t.after(() => writer.close());
      await engine.put("short", "1", { ttlMs: 1 });
      await engine.put("long", "1", { ttlMs: 8000 });
      const before = performance.now();
      await until("the short one is over", async () => !(await engine.contains("short")));
      await until("the replica is read", () => readsFromReplica(engine, scene));
      for (let i = 0; i < 200; i++) {
        assert.equal(await textAt(engine, "short"), undefined);
        if (performance.now() - before < 5000) assert.equal(await textAt(engine, "long"), "1");
      }

      await writer.put("long", "old", { ttlMs: 600_000 });
      await until("the replica has it", async () => (await textAt(engine, "long")) === "old");
      await scene.ask("SELECT pg_wal_replay_pause()");
      await writer.put("long", "new", { ttlMs: 600_000 });
      assert.equal(await textAt(engine, "long"), "old", "what lives on is answered by the replica");
      await scene.ask("SELECT pg_wal_replay_resume()");
    });
  }

  test("a replica that stays further behind than allowed is not read until it has caught up", async (t) => {
    const scene = await openScene(t);
    const engine = await openEngine(t, scene, 300);
    const writer = await createEngine(scene.primary.url);
    t.after(() => writer.close());
    await writer.put("a", "one");
    await until("the replica is read", () => readsFromReplica(engine, scene));
    await scene.ask("SELECT pg_wal_replay_pause()");
    await writer.put("a", "two");
    await until("the primary is read instead", async () => (await textAt(engine, "a")) === "two");
    assert.equal(await readsFromReplica(engine, scene), false);
    await scene.ask("SELECT pg_wal_replay_resume()");
    await until("the replica is read again", () => readsFromReplica(engine, scene));
  });

  test("without its replica an engine reads from the primary, and from the replica again when it is back", async (t) => {
    const scene = await openScene(t);
    const engine = await openEngine(t, scene, 500);
    await engine.put("a", "one");
    await until("the replica is read", () => readsFromReplica(engine, scene));
    await scene.replica.kill();
    for (let i = 0; i < 50; i++) assert.equal(await textAt(engine, "a"), "one");
    await scene.replica.restart();
    const client = new Client(scene.replica.url);
    await client.connect();
    const again = { ...scene, ask: async (text: string) => (await client.query(text)).rows };
    await until("the replica is read again", () => readsFromReplica(engine, again));
    await client.end();
  });

  test("what a replica that stands still does not answer is asked of the primary, in its order", async (t) => {
    const scene = await openScene(t);
    const engine = await openEngine(t, scene, 500, { retry: { retries: 0 }, timeouts: { operationMs: 30_000 } });
    const writer = await createEngine(scene.primary.url);
    t.after(() => writer.close());
    await writer.batchPut([
      ["a", "one"],
      ["b", "one"],
    ]);
    await until("the replica is read", () => readsFromReplica(engine, scene));
    await until("it has the values", async () => (await textAt(engine, "b")) === "one");
    scene.replica.pause();
    try {
      const reads = [textAt(engine, "a"), textAt(engine, "b"), textAt(engine, "absent")];
      const put = engine.put("a", "two");
      assert.deepEqual(await Promise.all(reads), ["one", "one", undefined]);
      await put;
      assert.equal(await textAt(engine, "a"), "two");
      assert.equal(engine.stats().operationsFailed, 0);
    } finally {
      scene.replica.resume();
    }
    await until("the replica is read again", () => readsFromReplica(engine, scene));
  });

  test("what a replica that is never silent has not answered in time is asked of the primary", async (t) => {
    const scene = await openScene(t);
    const way = await startFaultProxy(Number(new URL(scene.replica.url).port));
    t.after(() => way.close());
    const slow = new URL(scene.replica.url);
    slow.port = String(way.port);
    const patience = { timeouts: { operationMs: 8000 }, retry: { retries: 0 } };
    const engine = await openEngine(t, scene, 60_000, { ...patience, replicas: [slow.href] });
    const writer = await createEngine(scene.primary.url);
    t.after(() => writer.close());
    const value = randomBytes(100_000);
    await writer.put("a", value);
    await until("the replica is read", () => readsFromReplica(engine, scene));
    await until("it has the value", async () => (await engine.get("a")) !== null);
    await way.set({ toClient: { bytesPerSecond: 4000 } });
    assert.deepEqual(await engine.get("a"), value);
  });

  test("values that are damaged at a replica are asked of the primary, decompressed elsewhere or here", async (t) => {
    const scene = await openScene(t);
    const writer = await createEngine(scene.primary.url);
    t.after(() => writer.close());
    const values = ["short", "long ".repeat(20_000)];
    await writer.batchPut(values.map((value, i) => [`k${i}`, value]));
    const flipLastBits = (): Promise<unknown> =>
      queryOn(
        scene.primary.url,
        `UPDATE millrace_entries
         SET value = set_byte(value, octet_length(value) - 1, get_byte(value, octet_length(value) - 1) # 1)`,
      );
    await flipLastBits();
    const readers: Engine[] = [];
    for (const offload of ["always", "never"] as const) {
      readers.push(await openEngine(t, scene, 60_000, { workers: { threads: 1, offload } }));
    }
    for (const reader of readers) {
      await until("the replica is read", () => readsFromReplica(reader, scene));
      // Here as there: the primary's answer counts.
      for (const key of ["k0", "k1"]) await assert.rejects(reader.get(key), { code: "CORRUPT_VALUE", key });
    }
    await scene.ask("SELECT pg_wal_replay_pause()");
    await flipLastBits();
    for (const reader of readers) {
      await until("it is read still", () => readsFromReplica(reader, scene));
      assert.deepEqual((await reader.batchGet(["k0", "k1"])).map(String), values);
    }
  });

  test("a batch whose writes are done holds up nobody, though a replica has not answered its reads", async (t) => {
    const scene = await openScene(t);
    const patience = { connectMs: 300_000, operationMs: 300_000 };
    const engine = await openEngine(t, scene, 60_000, { timeouts: patience });
    await until("the replica is read", () => readsFromReplica(engine, scene));
    scene.replica.pause();
    let read: Promise<Buffer | null> | undefined;
    try {
      read = engine.get("with the replica");
      assert.equal(await engine.increment("n"), 1n);
      const second = engine.increment("n");
      assert.equal(await Promise.race([second, delay(10_000, "held up", { ref: false })]), 2n);
      assert.equal(await textAt(engine, "n"), "2", "known as written");
    } finally {
      scene.replica.resume();
    }
    assert.equal(await read, null);
  });

  test("a replica that accepts connections and says nothing does not keep another one from being read", async (t) => {
    const scene = await openScene(t);
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket.on("error", () => {})));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as { port: number };
    const replicas = [scene.replica.url, `postgres://millrace@127.0.0.1:${port}/postgres?sslmode=disable`];
    const engine = await openEngine(t, scene, 300, { replicas, timeouts: { connectMs: 30_000 } });
    try {
      for (let i = 0; i < 3; i++) {
        await until("the healthy replica is read", () => readsFromReplica(engine, scene), 10_000);
        // Longer than what it said once would do for.
        await delay(600);
      }
    } finally {
      silent.close();
      for (const socket of sockets) socket.destroy();
    }
  });
}
