import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "pg";
import { createEngine, type Engine } from "../../../src/index.js";
import { type PostgresServer, startPostgres } from "../../../src/testing/index.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

interface Scene {
  readonly primary: PostgresServer;
  readonly replica: PostgresServer;
  /** Asks the replica. */
  readonly ask: (text: string) => Promise<Record<string, unknown>[]>;
}

async function openScene(t: TestScope): Promise<Scene> {
  nothingEscapes(t);
  const primary = await startPostgres();
  t.after(() => primary.stop());
  const replica = await startPostgres({ primary });
  t.after(() => replica.stop());
  const client = new Client(replica.url);
  client.on("error", () => {});
  await client.connect();
  t.after(() => client.end());
  return { primary, replica, ask: async (text) => (await client.query(text)).rows };
}

async function openEngine(t: TestScope, { primary, replica }: Scene, replicaLagMs: number): Promise<Engine> {
  const engine = await createEngine({ backend: primary.url, replicas: [replica.url], replicaLagMs });
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
}
