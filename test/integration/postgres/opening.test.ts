import assert from "node:assert/strict";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { test } from "node:test";
import { Client } from "pg";
import { createEngine } from "../../../src/index.js";
import { makeCertificates, startPostgres, temporaryFolder } from "../../../src/testing/index.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const MIGRATION_LOCK = "x'6d696c6c72616365'::bigint";

async function openServer(t: TestScope) {
  nothingEscapes(t);
  const server = await startPostgres();
  t.after(() => server.stop());
  const admin = new Client(server.url);
  admin.on("error", () => {});
  await admin.connect();
  t.after(() => admin.end());
  return { server, admin };
}

function setEnvironment(t: TestScope, variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

if (await postgresIsThere("the opening of engines on PostgreSQL")) {
  test("postgres: an engine that finds the tables or the migration locked fails within connectMs", async (t) => {
    const { server, admin } = await openServer(t);
    await (await createEngine(server.url)).close();
    const timeouts = { connectMs: 3000 };
    await admin.query("BEGIN; LOCK TABLE millrace_schema IN ACCESS EXCLUSIVE MODE");
    const locked = await failureOf(createEngine({ backend: server.url, timeouts }));
    assert.deepEqual([locked.code, locked.retryable], ["TIMEOUT", true]);
    await admin.query("ROLLBACK");
    await admin.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK})`);
    const migrating = await failureOf(createEngine({ backend: `${server.url}?schema=fresh`, timeouts }));
    assert.deepEqual([migrating.code, migrating.retryable], ["TIMEOUT", true]);
    await admin.query(`SELECT pg_advisory_unlock(${MIGRATION_LOCK})`);
    await (await createEngine(`${server.url}?schema=fresh`)).close();
  });

  test("postgres: a schema that is there needs no right to create one", async (t) => {
    const { server, admin } = await openServer(t);
    await admin.query("CREATE ROLE app LOGIN; CREATE SCHEMA app AUTHORIZATION app");
    const engine = await createEngine(`${server.url.replace("millrace@", "app@")}?schema=app`);
    await engine.put("a", "1");
    await engine.close();
  });

  test("postgres: nothing is taken from the environment", async (t) => {
    const { server } = await openServer(t);
    setEnvironment(t, {
      PGSSLNEGOTIATION: "direct",
      PGOPTIONS: "-c default_transaction_read_only=on",
      PGREPLICATION: "database",
      PGPASSWORD: "wrong",
    });
    const engine = await createEngine(`${server.url}?sslmode=disable`);
    await engine.put("a", "1");
    assert.equal(await engine.count(), 1);
    await engine.close();
  });

  test("postgres: without a user in the URL, and none of the system's, that is what the error says", async (t) => {
    t.mock.method(os, "userInfo", () => {
      throw new Error("no such entry");
    });
    syncBuiltinESMExports();
    t.after(() => {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    });
    const error = await failureOf(createEngine("postgres://127.0.0.1:1/postgres"));
    assert.equal(error.code, "CONFIG");
    assert.match(error.message, /names no user/);
  });

  test("postgres: administration comes back with the login, whichever way of sslmode prefer failed last", async (t) => {
    nothingEscapes(t);
    const folder = await temporaryFolder("millrace-certificates-");
    t.after(() => folder.remove());
    const tls = await makeCertificates(folder.path, ["DNS:localhost"]);
    const server = await startPostgres({ tls, requireTls: true });
    t.after(() => server.stop());
    const admin = new Client({ connectionString: server.url, ssl: { rejectUnauthorized: false } });
    admin.on("error", () => {});
    await admin.connect();
    t.after(() => admin.end());
    await admin.query("CREATE ROLE app LOGIN; GRANT ALL ON SCHEMA public TO app");
    const engine = await createEngine({
      backend: server.url.replace("millrace@", "app@"),
      keyPrefix: "t:",
      retry: { retries: 0, baseDelayMs: 5, maxDelayMs: 50 },
      circuitBreaker: false,
    });
    t.after(() => engine.close());
    await engine.put("a", "1");
    await admin.query("ALTER ROLE app NOLOGIN");
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
    await until("the login is refused", async () => {
      const ending = await settled(engine.count());
      return !ending.ok && ending.error.reason === "28000";
    });
    await admin.query("ALTER ROLE app LOGIN");
    await until("lanes are back", async () => (await settled(engine.get("a"))).ok);
    assert.equal(await engine.count(), 1);
    assert.equal((await engine.healthCheck()).healthy, true);
  });
}
