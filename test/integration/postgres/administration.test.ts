import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { ControlPlane } from "../../../src/backends/postgres/control-plane.js";
import { tlsChoices } from "../../../src/backends/postgres/tls-options.js";
import { parsePostgresUrl } from "../../../src/config/postgres-url.js";
import { createEngine, type Engine } from "../../../src/index.js";
import { startPostgres } from "../../../src/testing/index.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { postgresIsThere, type StoreOptions, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const PREFIX = "a:";

async function openScene(t: TestScope, options: StoreOptions = {}) {
  nothingEscapes(t);
  const server = await startPostgres();
  t.after(() => server.stop());
  const engine = await createEngine({
    retry: { retries: 0, baseDelayMs: 5, maxDelayMs: 50 },
    circuitBreaker: false,
    timeouts: { operationMs: 30_000, connectMs: 30_000 },
    ...options,
    backend: server.url,
    keyPrefix: PREFIX,
  });
  t.after(() => engine.close());
  const admin = new Client(server.url);
  admin.on("error", () => {});
  await admin.connect();
  t.after(() => admin.end());
  return { engine, admin, url: server.url };
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** Loads whose sources give one entry each and then wait until the gate opens. */
function stalledLoads(engine: Engine, count: number, until: Promise<void>): Promise<number>[] {
  async function* source(index: number): AsyncGenerator<[string, string]> {
    yield [`load ${index}`, "1"];
    await until;
  }
  return Array.from({ length: count }, (_, index) => engine.bulkLoad(source(index)));
}

async function copying(admin: Client, count: number): Promise<void> {
  await until("the loads are at the server", async () => {
    const { rowCount } = await admin.query("SELECT FROM pg_stat_activity WHERE query LIKE 'COPY millrace_load%'");
    return rowCount === count;
  });
}

if (await postgresIsThere("the administration of PostgreSQL")) {
  test("postgres: getWithMetadata that finds no connection in time fails as not applied, and only so many wait", async (t) => {
    const { engine, admin, url } = await openScene(t, { timeouts: { operationMs: 2000, connectMs: 30_000 } });
    await engine.put("a", "1", { metadata: { n: 1 } });
    await admin.query("BEGIN; LOCK TABLE millrace_entries IN ACCESS EXCLUSIVE MODE");
    const errors = await Promise.all(Array.from({ length: 30 }, () => failureOf(engine.getWithMetadata("a"))));
    const told = errors.map(({ code, reason, outcome, key }) => [code, reason, outcome, key].join(" "));
    assert.equal(told.filter((it) => it === "TIMEOUT ERR_TIMEOUT not-applied a").length, 28, told.join());
    await admin.query("ROLLBACK");
    assert.deepEqual((await engine.getWithMetadata("a"))?.metadata, { n: 1 });

    const address = parsePostgresUrl(url);
    const settings = { connectTimeoutMs: 30_000, operationTimeoutMs: 30_000, maxConnections: 1, maxWaiting: 3 };
    const control = new ControlPlane(address, await tlsChoices(address), settings);
    t.after(() => control.close());
    const calls = Array.from({ length: 5 }, () => settled(control.queryInTime("getWithMetadata", "SELECT 1", [])));
    const endings = (await Promise.all(calls)).map((ending) => (ending.ok ? "ok" : ending.error.reason));
    assert.deepEqual(endings, ["ok", "ok", "ok", "ok", "ERR_QUEUE_FULL"]);
  });

  test("postgres: loads that take long keep nothing else waiting, not even the end of a lost session", async (t) => {
    const { engine, admin } = await openScene(t);
    await engine.put("hot", "0");
    const { opened, open } = gate();
    const loads = stalledLoads(engine, 4, opened);
    await copying(admin, 4);
    assert.equal((await engine.healthCheck()).healthy, true);
    assert.equal(await engine.count(), 1);
    assert.ok(engine.stats().activeConnections >= 4, "a load is at work");

    await admin.query("BEGIN");
    await admin.query("UPDATE millrace_entries SET updated_at = now() WHERE key = $1", [Buffer.from(`${PREFIX}hot`)]);
    const put = settled(engine.put("hot", "1"));
    const waiting = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'millrace'";
    await until("it waits for the row", async () => (await admin.query(`SELECT ${waiting}`)).rowCount === 1);
    await admin.query(`SELECT pg_terminate_backend(pid) ${waiting}`);
    assert.equal((await put).ok, false);
    await admin.query("ROLLBACK");
    await engine.put("other", "1");
    open();
    assert.deepEqual(await Promise.all(loads), [1, 1, 1, 1]);
  });

  test("postgres: a load whose connection is lost fails, whatever its source is doing", async (t) => {
    const { engine, admin } = await openScene(t);
    const { opened, open } = gate();
    const [load] = stalledLoads(engine, 1, opened);
    const ending = settled(load!);
    await copying(admin, 1);
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY millrace_load%'");
    const result = await ending;
    assert.ok(!result.ok);
    assert.deepEqual([result.error.code, result.error.outcome], ["CONNECTION", "not-applied"]);
    open();
    assert.equal(await engine.count(), 0);
  });

  test("postgres: closing ends a load whose source owes an entry, and nothing of it is in the store", async (t) => {
    const { engine, admin } = await openScene(t);
    const loads = stalledLoads(engine, 2, new Promise(() => {})).map(settled);
    await copying(admin, 2);
    await engine.close();
    for (const result of await Promise.all(loads)) {
      assert.ok(!result.ok);
      const { code, operation, outcome, retryable } = result.error;
      assert.deepEqual([code, operation, outcome, retryable], ["CLOSED", "bulkLoad", "not-applied", false]);
    }
    await until("the server has ended the sessions of both", async () => {
      const { rowCount } = await admin.query("SELECT FROM pg_stat_activity WHERE application_name = 'millrace'");
      return rowCount === 0;
    });
    assert.equal((await admin.query("SELECT FROM millrace_entries")).rowCount, 0);
  });

  test("postgres: closing waits for a load whose source gives what it has", async (t) => {
    const { engine, admin } = await openScene(t);
    const load = engine.bulkLoad(Array.from({ length: 20_000 }, (_, index) => [`key ${index}`, "x".repeat(100)]));
    await engine.close();
    assert.equal(await load, 20_000);
    assert.equal((await admin.query("SELECT FROM millrace_entries")).rowCount, 20_000);
  });

  test("postgres: what a load's source throws comes back as the cause, not to be tried again", async (t) => {
    const { engine } = await openScene(t);
    for (const cause of [new TypeError("mine"), Object.assign(new Error("five"), { code: "23505" })]) {
      const source = async function* (): AsyncGenerator<[string, string]> {
        yield ["a", "1"];
        throw cause;
      };
      const error = await failureOf(engine.bulkLoad(source()));
      assert.deepEqual(
        [error.code, error.reason, error.retryable, error.outcome, error.operation],
        ["INVALID_ARGUMENT", "ERR_SOURCE", false, "not-applied", "bulkLoad"],
      );
      assert.equal(error.cause, cause);
    }
    assert.equal(await engine.count(), 0);
  });

  test("postgres: the lifetimes of a load count from when its entries come to be", async (t) => {
    const { engine, admin } = await openScene(t);
    const ttlMs = 60_000;
    const { opened, open } = gate();
    async function* source(): AsyncGenerator<[string, string]> {
      yield ["a", "1"];
      await opened;
      yield ["b", "2"];
    }
    const load = engine.bulkLoad(source(), { ttlMs });
    await copying(admin, 1);
    await delay(500);
    const { rows } = await admin.query<{ now: Date }>("SELECT clock_timestamp() AS now");
    open();
    assert.equal(await load, 2);
    const stored = await admin.query<{ expires_at: Date }>("SELECT expires_at FROM millrace_entries");
    assert.equal(stored.rowCount, 2);
    for (const { expires_at } of stored.rows) assert.ok(expires_at.getTime() >= rows[0]!.now.getTime() + ttlMs);
    assert.equal(stored.rows[0]!.expires_at.getTime(), stored.rows[1]!.expires_at.getTime());
  });

  test("postgres: questions that take too long are timeouts, with the name of what was called", async (t) => {
    const { engine, admin } = await openScene(t, { timeouts: { operationMs: 500, connectMs: 30_000 } });
    await admin.query("BEGIN; LOCK TABLE millrace_entries IN ACCESS EXCLUSIVE MODE");
    const calls = {
      count: () => engine.count(),
      serverInfo: () => engine.serverInfo(),
      getWithMetadata: () => engine.getWithMetadata("a"),
      tableStats: () => engine.tableStats(),
    };
    for (const [operation, call] of Object.entries(calls)) {
      const error = await failureOf(call());
      assert.deepEqual([error.code, error.operation, error.retryable], ["TIMEOUT", operation, true], operation);
    }
    await admin.query("ROLLBACK");
  });

  test("postgres: after the end of the engine calls fail under their own names", async (t) => {
    const { engine } = await openScene(t);
    await engine.close();
    const calls = {
      vacuum: () => engine.vacuum(),
      cleanupExpired: () => engine.cleanupExpired(),
      tableStats: () => engine.tableStats(),
      getWithMetadata: () => engine.getWithMetadata("a"),
      findByMetadata: () => engine.findByMetadata({ a: 1 })[Symbol.asyncIterator]().next(),
      bulkLoad: () => engine.bulkLoad([]),
    };
    for (const [operation, call] of Object.entries(calls)) {
      const error = await failureOf(call());
      assert.deepEqual([error.code, error.operation], ["CLOSED", operation]);
    }
  });
}
