import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "pg";
import { createEngine, type Engine, type EngineOptions } from "../../../src/index.js";
import { findPgBouncer, type PostgresServer, startPgBouncer, startPostgres } from "../../../src/testing/index.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

/** Nothing here may depend on time running out. */
const CACHE = { maxBytes: 4 * 1024 * 1024, ttlMs: 3_600_000 };

async function openServer(t: TestScope): Promise<PostgresServer> {
  nothingEscapes(t);
  const server = await startPostgres();
  t.after(() => server.stop());
  return server;
}

async function openEngine(t: TestScope, backend: string, options: Omit<EngineOptions, "backend"> = {}) {
  const engine = await createEngine({ retry: { baseDelayMs: 5, maxDelayMs: 20 }, ...options, backend });
  t.after(() => engine.close());
  return engine;
}

/** Resolves when it hears of changes. */
async function openListening(t: TestScope, backend: string): Promise<Engine> {
  const engine = await openEngine(t, backend, { cache: CACHE });
  await until("the link is up", () => cacheOf(engine).invalidation === "changes");
  return engine;
}

async function outsider(t: TestScope, url: string): Promise<Client> {
  const client = new Client(url);
  client.on("error", () => {});
  await client.connect();
  t.after(() => client.end());
  return client;
}

const text = (value: Buffer | null): string | null => value?.toString() ?? null;
const cacheOf = (engine: Engine) => engine.stats().cache!;

if (await postgresIsThere("a cache over PostgreSQL")) {
  test("what was read once is read without the server, and another engine's write is seen all the same", async (t) => {
    const server = await openServer(t);
    const reader = await openListening(t, server.url);
    const writer = await openEngine(t, server.url);
    for (const next of ["one", "two", "three"]) {
      await writer.put("key", next);
      await until("the write is seen", async () => text(await reader.get("key")) === next);
      await until("it is kept", async () => {
        const { batches } = reader.stats();
        await reader.get("key");
        return reader.stats().batches === batches;
      });
      const { batches } = reader.stats();
      for (let i = 0; i < 10; i++) assert.equal(text(await reader.get("key")), next);
      assert.equal(reader.stats().batches, batches);
    }
    assert.ok(cacheOf(reader).hits >= 30);
    assert.ok(cacheOf(reader).invalidations >= 2);
  });

  test("every way of changing a key is heard of", async (t) => {
    const server = await openServer(t);
    const reader = await openListening(t, server.url);
    const writer = await openEngine(t, server.url);
    const changes: Record<string, () => Promise<unknown>> = {
      put: () => writer.put("key", "put"),
      "put with a lifetime": () => writer.put("key", "lifetime", { ttlMs: 3_600_000 }),
      "put with metadata": () => writer.put("key", "metadata", { metadata: { a: 1 } }),
      delete: () => writer.delete("key"),
      setIfNotExists: () => writer.setIfNotExists("key", "1"),
      increment: () => writer.increment("key"),
      compareAndSwap: () => writer.compareAndSwap("key", "2", "swapped"),
      getAndDelete: () => writer.getAndDelete("key"),
      transaction: () => writer.transaction([{ type: "put", key: "key", value: "transaction" }]),
      clear: () => writer.clear(),
      bulkLoad: () => writer.bulkLoad([["key", "bulk"]]),
    };
    for (const [name, change] of Object.entries(changes)) {
      const before = text(await reader.get("key"));
      await until(`${name}: it is kept`, async () => {
        const { batches } = reader.stats();
        await reader.get("key");
        return reader.stats().batches === batches;
      });
      await change();
      await until(`${name} is seen`, async () => text(await reader.get("key")) !== before);
    }
  });

  test("what this engine loads in bulk is seen by its next read", async (t) => {
    const server = await openServer(t);
    const engine = await openListening(t, server.url);
    await engine.put("key", "old");
    for (let round = 0; round < 50; round++) {
      await engine.get("key");
      await engine.get("key");
      await engine.bulkLoad([["key", `round ${round}`]]);
      assert.equal(text(await engine.get("key")), `round ${round}`);
    }
    assert.ok(cacheOf(engine).hits > 0);
  });

  test("what this engine loaded with a lifetime is not returned after it", async (t) => {
    const server = await openServer(t);
    const engine = await openListening(t, server.url);
    const other = await openEngine(t, server.url);
    const keys = ["a", "b", "c"];
    await engine.bulkLoad(
      keys.map((key) => [key, "loaded"]),
      { ttlMs: 1000 },
    );
    await until("the lifetime is over", async () => {
      await engine.batchGet(keys);
      return (await other.batchGet(keys)).every((value) => value === null);
    });
    assert.deepEqual(await engine.batchGet(keys), [null, null, null]);
    assert.deepEqual(await Promise.all(keys.map((key) => engine.contains(key))), [false, false, false]);
    await engine.put("a", "lasting");
    await until("it is kept again", async () => {
      const { batches } = engine.stats();
      await engine.get("a");
      return engine.stats().batches === batches;
    });
  });

  test("changes of very many keys in one statement are heard of, whatever their bytes and lengths", async (t) => {
    const server = await openServer(t);
    const reader = await openListening(t, server.url);
    const writer = await openEngine(t, server.url);
    const keys: (string | Uint8Array)[] = Array.from({ length: 700 }, (_, i) => `key ${i} ${"x".repeat(i % 60)}`);
    keys.push("ü".repeat(1200), Buffer.from([0, 255, 10, 32]));
    await Promise.all(keys.map((key) => writer.put(key, "old")));
    await until("all are kept", async () => {
      await reader.batchGet(keys);
      return cacheOf(reader).entries === keys.length;
    });
    await Promise.all(keys.map((key) => writer.put(key, "new")));
    await until("all are seen", async () => (await reader.batchGet(keys)).every((value) => text(value) === "new"));
  });

  test("when the link is lost everything kept goes, and what changed meanwhile is seen", async (t) => {
    const server = await openServer(t);
    const reader = await openListening(t, server.url);
    const writer = await openEngine(t, server.url);
    const client = await outsider(t, server.url);
    await writer.put("key", "one");
    await until("it is kept", async () => (await reader.get("key")) !== null && cacheOf(reader).entries === 1);
    const { flushes } = cacheOf(reader);
    await client.query("SELECT pg_terminate_backend(pid) FROM millrace_listeners");
    await until("the loss is noticed", () => cacheOf(reader).flushes > flushes);
    await writer.put("key", "two");
    await until("the write is seen", async () => text(await reader.get("key")) === "two");
    await until("the link is back", () => cacheOf(reader).invalidation === "changes");
    await until("it is kept again", async () => (await reader.get("key")) !== null && cacheOf(reader).entries === 1);
    await writer.put("key", "three");
    await until("the next one is seen", async () => text(await reader.get("key")) === "three");
    assert.equal((await client.query("SELECT FROM millrace_listeners")).rowCount, 1);
  });

  test("nothing is told while nobody listens", async (t) => {
    const server = await openServer(t);
    const writer = await openEngine(t, server.url);
    const client = await outsider(t, server.url);
    const notices: string[] = [];
    client.on("notification", ({ payload }) => notices.push(payload ?? ""));
    const { rows } = await client.query("SELECT 'millrace_entries'::regclass::oid::text AS oid");
    await client.query(`LISTEN millrace_${rows[0].oid}`);
    await writer.put("key", "unheard");
    await client.query("SELECT 1");
    assert.deepEqual(notices, []);
    const reader = await openListening(t, server.url);
    await writer.put("key", "heard");
    await until("it is told", () => notices.length > 0);
    assert.deepEqual(notices, [Buffer.from("state:key").toString("hex")]);
    await reader.close();
    assert.equal((await client.query("SELECT FROM millrace_listeners")).rowCount, 0);
  });

  test("writes by SQL are heard of where the table has the documented triggers", async (t) => {
    const server = await openServer(t);
    const reader = await openListening(t, server.url);
    const client = await outsider(t, server.url);
    await client.query(`
      CREATE FUNCTION tell_changes() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM millrace_tell_changes(ARRAY(SELECT key FROM changed)) WHERE EXISTS (SELECT FROM millrace_listeners);
        RETURN NULL;
      END $$;
      CREATE TRIGGER tell_inserts AFTER INSERT ON millrace_entries
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tell_changes();
      CREATE TRIGGER tell_updates AFTER UPDATE ON millrace_entries
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tell_changes();
      CREATE TRIGGER tell_deletes AFTER DELETE ON millrace_entries
        REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tell_changes();`);
    const seen = async (expected: string | null) =>
      until(`${expected} is seen`, async () => text(await reader.get("key")) === expected);
    await seen(null);
    await client.query("INSERT INTO millrace_entries (key, value) VALUES ('state:key', 'one')");
    await seen("one");
    await client.query("UPDATE millrace_entries SET value = 'two'");
    await seen("two");
    await client.query("DELETE FROM millrace_entries");
    await seen(null);
  });

  const skip = (await findPgBouncer()) === null ? "there is no pgbouncer here" : false;
  test("behind PgBouncer nobody can listen, so what is kept goes by its time", { skip }, async (t) => {
    const server = await openServer(t);
    const pooler = await startPgBouncer(server, 2);
    t.after(() => pooler.stop());
    const engine = await openEngine(t, pooler.url, { cache: { ...CACHE, ttlMs: 1 } });
    await until("it is known", () => cacheOf(engine).invalidation === "time");
    await engine.put("key", "one");
    assert.equal(text(await engine.get("key")), "one");
  });
}
