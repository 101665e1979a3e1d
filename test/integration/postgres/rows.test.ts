import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { DriverContext } from "../../../src/backends/contract.js";
import { ControlPlane } from "../../../src/backends/postgres/control-plane.js";
import { MetadataQueries } from "../../../src/backends/postgres/metadata-queries.js";
import { tlsChoices } from "../../../src/backends/postgres/tls-options.js";
import { ValueColumns } from "../../../src/backends/postgres/value-columns.js";
import { Envelope } from "../../../src/codec/envelope.js";
import { parsePostgresUrl } from "../../../src/config/postgres-url.js";
import { createEngine, type Engine, type FoundEntry } from "../../../src/index.js";
import { queryOn } from "../../support/postgres-query.js";
import { onPostgres } from "../../support/stores.js";
import { until } from "../../support/until.js";

async function found(entries: AsyncIterable<FoundEntry>): Promise<[string, string, unknown][]> {
  const rows: [string, string, unknown][] = [];
  for await (const { key, value, metadata } of entries) rows.push([key, value.toString(), metadata]);
  return rows;
}

await onPostgres("rows of postgres", (store, server) => {
  const query = (text: string): Promise<Record<string, unknown>[]> => queryOn(server.url, text);

  async function plan(text: string): Promise<string> {
    return (await query(`EXPLAIN ${text}`)).map((row) => String(row["QUERY PLAN"])).join("\n");
  }

  test("metadata comes back with its value and goes with a put that gives none", async (t) => {
    const engine = await (await store.place(t)).open();
    const metadata = { job: "ingest", tags: ["a", "ü"], nested: { level: 3, 'quote"': null } };
    await engine.put("a", "one", { metadata });
    assert.deepEqual(await engine.getWithMetadata("a"), { value: Buffer.from("one"), metadata });
    assert.equal((await engine.get("a"))?.toString(), "one");
    await engine.put("a", "two");
    assert.deepEqual(await engine.getWithMetadata("a"), { value: Buffer.from("two"), metadata: null });
    assert.equal(await engine.getWithMetadata("absent"), null);
  });

  test("a put that is not awaited is seen by getWithMetadata called after it", async (t) => {
    const engine = await (await store.place(t)).open();
    const put = engine.put("a", "one", { metadata: { n: 1 } });
    assert.deepEqual((await engine.getWithMetadata("a"))?.metadata, { n: 1 });
    await put;
  });

  test("increment and expire keep metadata, compareAndSwap and setIfNotExists clear it", async (t) => {
    const engine = await (await store.place(t)).open();
    const metadata = { kept: true };
    const after = async (work: (engine: Engine) => Promise<unknown>): Promise<unknown> => {
      await engine.put("a", "1", { metadata });
      await work(engine);
      return (await engine.getWithMetadata("a"))?.metadata;
    };
    assert.deepEqual(await after((it) => it.increment("a")), metadata);
    assert.deepEqual(await after((it) => it.expire("a", 60_000)), metadata);
    assert.equal(await after((it) => it.compareAndSwap("a", "1", "2")), null);
    await engine.put("a", "1", { metadata, ttlMs: 1 });
    await delay(20);
    assert.equal(await engine.setIfNotExists("a", "new"), true);
    assert.equal((await engine.getWithMetadata("a"))?.metadata, null);
  });

  test("findByMetadata finds what contains the given object, by prefix, in order, up to the limit", async (t) => {
    const engine = (await (await store.place(t)).open()).namespace("n:");
    await Promise.all(
      Array.from({ length: 600 }, (_, i) =>
        engine.put(`k${String(i).padStart(3, "0")}`, `v${i}`, { metadata: { even: i % 2 === 0, by: { ten: i % 10 } } }),
      ),
    );
    await engine.put("other", "x", { metadata: { even: true } });
    await engine.put("gone", "x", { metadata: { even: true }, ttlMs: 1 });
    await engine.put("plain", "x");
    await delay(20);
    assert.equal((await found(engine.findByMetadata({ even: true }))).length, 301);
    assert.equal((await found(engine.findByMetadata({ even: true }, { prefix: "k" }))).length, 300);
    assert.deepEqual(await found(engine.findByMetadata({ by: { ten: 7 } }, { limit: 2 })), [
      ["k007", "v7", { even: false, by: { ten: 7 } }],
      ["k017", "v17", { even: false, by: { ten: 7 } }],
    ]);
    assert.equal((await found(engine.findByMetadata({}))).length, 601);
    assert.deepEqual(await found(engine.findByMetadata({ even: "true" })), []);
  });

  test("metadata that JSON or the store cannot keep is refused and nothing is sent", async (t) => {
    const engine = await (await store.place(t)).open();
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const metadata of [[], "text", 1, new Map(), circular, { n: 1n }, { text: "\u0000" }, { text: "\ud800" }]) {
      await assert.rejects(engine.put("a", "1", { metadata: metadata as never }), {
        code: "INVALID_ARGUMENT",
        reason: "ERR_METADATA",
      });
    }
    await engine.put("a", "1", { metadata: { text: "\\u0000" } });
    assert.deepEqual((await engine.getWithMetadata("a"))?.metadata, { text: "\\u0000" });
    await assert.rejects(found(engine.findByMetadata({}, { limit: 0 })), { reason: "ERR_LIMIT" });
    await assert.rejects(found(engine.findByMetadata({}, { max: 5 } as never)), { reason: "ERR_CALL_OPTION" });
    await assert.rejects(engine.bulkLoad([["b", "1"]], { ttl: 5 } as never), { reason: "ERR_CALL_OPTION" });
    assert.equal(await engine.get("b"), null);
  });

  test("stores without rows refuse these calls by name", async (t) => {
    const engine = await createEngine("memory:");
    t.after(() => engine.close());
    const unsupported = { code: "UNSUPPORTED" };
    await assert.rejects(engine.getWithMetadata("a"), unsupported);
    await assert.rejects(found(engine.findByMetadata({})), unsupported);
    await assert.rejects(engine.vacuum(), unsupported);
    await assert.rejects(engine.bulkLoad([]), unsupported);
    await assert.rejects(engine.put("a", "1", { metadata: {} }), unsupported);
  });

  test("cleanupExpired removes the rows of expired entries, tableStats counts them", async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut(
      Array.from({ length: 50 }, (_, i) => [`a${i}`, "1"] as const),
      { ttlMs: 1 },
    );
    await engine.put("b", "2".repeat(5000));
    await delay(20);
    const before = await engine.tableStats();
    assert.ok(before.expiredRows >= 50);
    assert.ok((await engine.cleanupExpired()) >= 50);
    await engine.vacuum();
    const stats = await engine.tableStats();
    assert.equal(stats.expiredRows, 0);
    assert.ok(stats.lastVacuumAt instanceof Date && stats.lastAnalyzeAt instanceof Date);
    assert.ok(stats.totalBytes >= stats.tableBytes + stats.indexBytes + stats.toastBytes - 1);
    assert.deepEqual(Object.keys(stats.indexes).sort(), [
      "millrace_entries_changed_at",
      "millrace_entries_expires_at",
      "millrace_entries_metadata",
      "millrace_entries_pkey",
    ]);
    assert.equal((await engine.get("b"))?.length, 5000);
  });

  test("expiry, metadata and time of change are found by their indexes", async (t) => {
    await (await store.place(t)).open();
    await query("ALTER DATABASE postgres SET enable_seqscan = off");
    t.after(() => query("ALTER DATABASE postgres RESET enable_seqscan"));
    const table = "SELECT count(*) FROM millrace_entries WHERE";
    assert.match(await plan(`${table} expires_at <= now()`), /millrace_entries_expires_at/);
    assert.match(await plan(`${table} metadata @> '{"a":1}'`), /millrace_entries_metadata/);
    assert.match(await plan(`${table} changed_at > now() - interval '1 minute'`), /millrace_entries_changed_at/);
  });

  test("a put without metadata leaves all indexes alone while its page has room", async (t) => {
    const engine = await (await store.place(t)).open();
    const updates = async (): Promise<{ all: number; inPlace: number }> => {
      const [row] = await query(
        `SELECT n_tup_upd::int AS "all", n_tup_hot_upd::int AS "inPlace" FROM pg_stat_user_tables
         WHERE relname = 'millrace_entries'`,
      );
      return row as { all: number; inPlace: number };
    };
    const before = await updates();
    for (let i = 0; i < 20; i++) await engine.put("often", `${i}`);
    // A session hands in its counts when it ends.
    await engine.close();
    let after = before;
    await until("the server has counted", async () => {
      after = await updates();
      return after.all >= before.all + 19;
    });
    assert.ok(after.inPlace - before.inPlace >= 18);
  });

  test("bulkLoad puts everything over what is there, the last of equal keys wins", async (t) => {
    const place = await store.place(t);
    const engine = (await place.open()).namespace("bulk:");
    await engine.put("3", "old", { metadata: { old: true } });
    async function* entries(): AsyncGenerator<readonly [string, string]> {
      for (let i = 0; i < 20_000; i++) yield [String(i), `value ${i} ${"x".repeat(i % 2000)}`];
      yield ["7", "last"];
    }
    assert.equal(await engine.bulkLoad(entries(), { ttlMs: 60_000 }), 20_000);
    assert.equal(await engine.count(), 20_000);
    assert.equal((await engine.get("7"))?.toString(), "last");
    assert.equal((await engine.get("1999"))?.toString(), `value 1999 ${"x".repeat(1999)}`);
    assert.deepEqual((await engine.getWithMetadata("3"))?.metadata, null);
    assert.ok((await engine.ttl("3"))! <= 60_000);
  });

  test("bulkLoad of a source that fails half way leaves nothing", async (t) => {
    const engine = (await (await store.place(t)).open()).namespace("bulk:");
    function* entries(): Generator<readonly [string, string]> {
      for (let i = 0; i < 5000; i++) yield [String(i), "x".repeat(200)];
      yield ["", "no key"];
    }
    await assert.rejects(engine.bulkLoad(entries()), { code: "INVALID_ARGUMENT", outcome: "not-applied" });
    assert.equal(await engine.count(), 0);
    await engine.put("works", "on");
  });

  test("a put lets the server's clock decide when it expires", async (t) => {
    const place = await store.place(t);
    const engine = await place.open();
    await engine.put("a", "1", { ttlMs: 60_000 });
    const [row] = await query(
      `SELECT extract(epoch FROM expires_at - updated_at)::int AS seconds FROM millrace_entries
       WHERE key = '${place.keyPrefix}a'::bytea`,
    );
    assert.equal(row?.seconds, 60);
  });

  test("a row that another program lets live for ever has no end, and spoils no neighbour's answer", async (t) => {
    const place = await store.place(t);
    const engine = await place.open();
    await query(
      `INSERT INTO millrace_entries (key, value, expires_at) VALUES ('${place.keyPrefix}a', 'x', 'infinity')`,
    );
    await engine.put("b", "1", { ttlMs: 60_000 });
    const [forever, bounded] = await Promise.all([engine.ttl("a"), engine.ttl("b")]);
    assert.equal(forever, Number.POSITIVE_INFINITY);
    assert.ok(bounded! > 0 && bounded! <= 60_000);
  });

  test("expired rows are removed while somebody listens, though one has a key that no notification holds", async (t) => {
    const place = await store.place(t);
    const engine = await place.open();
    const listening = await place.open({ cache: {} });
    await until("somebody listens", async () => (await query("SELECT FROM millrace_listeners")).length > 0);
    await listening.put("seen", "1", { ttlMs: 1 });
    const hour = "now() - interval '1 hour'";
    await query(`INSERT INTO millrace_entries (key, value, expires_at)
      SELECT convert_to(repeat('q', length), 'UTF8'), 'x', ${hour} FROM unnest(ARRAY[3949, 3950, 5000]) length`);
    await delay(20);
    assert.ok((await engine.cleanupExpired()) >= 4);
    assert.equal((await engine.tableStats()).expiredRows, 0);
  });

  test("findByMetadata holds as many entries at once as come to a few megabytes", async (t) => {
    const place = await store.place(t);
    const engine = await place.open({ compression: { codec: "none" } });
    const value = Buffer.alloc(1 << 20, 7);
    for (let i = 0; i < 10; i++) await engine.put(`k${i}`, value, { metadata: { n: i } });
    const address = parsePostgresUrl(server.url);
    const settings = { connectTimeoutMs: 30_000, operationTimeoutMs: 30_000 };
    const control = new ControlPlane(address, await tlsChoices(address), settings);
    t.after(() => control.close());
    const maxValueBytes = 16 << 20;
    const codec = new Envelope({
      ...{ checksum: "crc32" as const, compressor: undefined, decompressors: [], thresholdBytes: 1024, maxValueBytes },
    });
    const context = { codec, keyPrefix: place.keyPrefix, maxValueBytes } as unknown as DriverContext;
    const queries = new MetadataQueries(control, context, "millrace_entries", () => "now()", maxValueBytes);
    const pages: number[] = [];
    for await (const page of queries.findByMetadata("{}", "", 9)) pages.push(page.length);
    assert.deepEqual(pages, [3, 3, 3]);
    assert.equal((await found(engine.findByMetadata({}))).length, 10);
  });

  test("a value in several columns is put together, and cut behind its limit", async () => {
    for (const [limit, piece] of [
      [10, 4],
      [11, 4],
      [10, 100],
    ] as const) {
      const columns = new ValueColumns(limit, piece);
      for (let length = 0; length <= 14; length++) {
        const bytes = Buffer.from("abcdefghijklmn".slice(0, length));
        const [row] = await query(
          `SELECT ${columns.sql("t.v")} FROM (VALUES ('\\x${bytes.toString("hex")}'::bytea)) t(v)`,
        );
        assert.deepEqual(columns.valueOf(row!), bytes.subarray(0, limit + 1), `${length} bytes`);
      }
    }
  });
});
