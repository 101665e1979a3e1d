import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../../../src/index.js";
import {
  makeCertificates,
  type PostgresServerOptions,
  startPostgres,
  temporaryFolder,
} from "../../../src/testing/index.js";
import { openConnections } from "../../support/connections.js";
import { oneOfEach } from "../../support/one-of-each.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

async function openServer(t: TestScope, options?: PostgresServerOptions) {
  nothingEscapes(t);
  const server = await startPostgres(options);
  t.after(() => server.stop());
  return server;
}

/** Opens an engine, lets it do one thing of each kind, and closes it. */
async function works(backend: string): Promise<void> {
  const engine = await createEngine({ backend });
  try {
    await oneOfEach(engine, "works");
  } finally {
    await engine.close();
  }
}

if (await postgresIsThere("connections to PostgreSQL")) {
  test("a clear for which there is no connection has not been applied", async (t) => {
    const server = await openServer(t);
    const engine = await createEngine({ backend: server.url, timeouts: { connectMs: 5000, operationMs: 30_000 } });
    t.after(() => engine.close());
    await engine.put("kept", "1");
    await engine.clear("nothing");
    await server.kill();
    // Over one whose end had not been heard of it might have been sent, and nobody could confirm the end of that any more.
    await until("the ends of all connections are heard of", () => openConnections(engine) === 0);
    const { code, outcome, operation } = await failureOf(engine.clear());
    assert.deepEqual([code, outcome, operation], ["CONNECTION", "not-applied", "clear"]);
  });

  test("every sslmode does what libpq says, down to the certificate's name", async (t) => {
    const folder = await temporaryFolder("millrace-certificates-");
    t.after(() => folder.remove());
    const tls = await makeCertificates(folder.path, ["DNS:localhost"]);
    const strict = await openServer(t, { tls, requireTls: true });
    const plain = await openServer(t);
    const at = (server: { url: string }, query: string, host = "localhost"): string =>
      `${server.url.replace("127.0.0.1", host)}?${query}`;
    const root = `sslrootcert=${encodeURIComponent(tls.caFile)}`;

    for (const mode of ["allow", "prefer", "require"]) await works(at(strict, `sslmode=${mode}`));
    for (const mode of ["verify-ca", "verify-full", "require"]) await works(at(strict, `sslmode=${mode}&${root}`));
    await works(at(strict, `sslmode=verify-ca&${root}`, "127.0.0.1"));
    for (const mode of ["disable", "allow", "prefer"]) await works(at(plain, `sslmode=${mode}`));
    await works(plain.url);

    const refused = async (url: string, reason: string): Promise<void> => {
      const error = await failureOf(createEngine({ backend: url, timeouts: { connectMs: 30_000 } }));
      assert.deepEqual([error.code, error.reason, error.retryable], ["CONNECTION", reason, false], url);
    };
    await refused(at(strict, "sslmode=disable"), "28000");
    await refused(at(strict, "sslmode=verify-full"), "ERR_CERTIFICATE");
    await refused(at(strict, "sslmode=verify-ca"), "ERR_CERTIFICATE");
    await refused(at(strict, `sslmode=verify-full&${root}`, "127.0.0.1"), "ERR_CERTIFICATE");
    await refused(at(plain, "sslmode=require"), "ERR_CERTIFICATE");
    const missing = await failureOf(createEngine(at(strict, "sslmode=verify-full&sslrootcert=/nowhere.pem")));
    assert.equal(missing.code, "CONFIG");
  });

  test("a wrong password, database or port is refused at once, named, and shows no password", async (t) => {
    const server = await openServer(t, { password: "right-PASSWORD" });
    const { port } = server;
    await works(`postgres://millrace:right-PASSWORD@127.0.0.1:${port}/postgres`);
    const cases: readonly [string, string, boolean][] = [
      [`postgres://millrace:s3cret@127.0.0.1:${port}/postgres`, "28P01", false],
      [`postgres://millrace@127.0.0.1:${port}/postgres`, "28P01", false],
      [`postgres://millrace:right-PASSWORD@127.0.0.1:${port}/nowhere`, "3D000", false],
      ["postgres://millrace:s3cret@127.0.0.1:1/postgres", "ERR_CONNECTION", true],
    ];
    for (const [backend, reason, retryable] of cases) {
      const error = await failureOf(createEngine({ backend }));
      assert.deepEqual([error.code, error.reason, error.retryable], ["CONNECTION", reason, retryable], backend);
      assert.doesNotMatch(`${error.message} ${error.stack}`, /s3cret|right-PASSWORD/);
    }
  });

  test("a login that is taken away later fails calls at once, until it is given back", async (t) => {
    const server = await openServer(t, { password: "first" });
    const backend = `postgres://millrace:first@127.0.0.1:${server.port}/postgres`;
    const engine = await createEngine({
      backend,
      timeouts: { operationMs: 60_000 },
      retry: { retries: 0, baseDelayMs: 5, maxDelayMs: 20 },
      circuitBreaker: false,
    });
    t.after(() => engine.close());
    await engine.put("a", "1");
    const { Client } = await import("pg");
    const admin = new Client(backend);
    await admin.connect();
    await admin.query("ALTER USER millrace PASSWORD 'second'");
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
    );
    await until("the reason is told", async () => {
      const ending = await settled(engine.get("a"));
      return !ending.ok && ending.error.reason === "28P01";
    });
    const startedMs = performance.now();
    const error = await failureOf(engine.put("a", "2"));
    assert.ok(performance.now() - startedMs < 30_000, "before its deadline");
    assert.deepEqual([error.code, error.reason, error.outcome], ["CONNECTION", "28P01", "not-applied"]);
    await admin.query("ALTER USER millrace PASSWORD 'first'");
    await until("the engine is back", async () => (await settled(engine.put("a", "4"))).ok);
    await admin.end();
  });

  test("a parameter that does not exist is refused with the one that was meant", async () => {
    await assert.rejects(createEngine("postgres://localhost/db?sslmod=require"), {
      code: "CONFIG",
      message: /"sslmode"/,
    });
    await assert.rejects(createEngine("postgres://localhost/db?sslmode=full"), {
      code: "CONFIG",
      message: /verify-full/,
    });
  });

  test("a schema from a newer release is refused, one from the first is brought up to date", async (t) => {
    const server = await openServer(t);
    await works(`${server.url}?schema=elsewhere`);
    await works(server.url);
    const { Client } = await import("pg");
    const client = new Client(server.url);
    await client.connect();
    await client.query(
      `DROP FUNCTION millrace_tell_changes; DROP TABLE millrace_listeners;
       ALTER TABLE millrace_entries DROP COLUMN metadata, DROP COLUMN changed_at;
       DELETE FROM millrace_schema WHERE version > 1`,
    );
    const engines = await Promise.all([1, 2, 3].map(() => createEngine(server.url)));
    await engines[0]!.put("a", "1", { metadata: { n: 1 } });
    assert.deepEqual((await engines[1]!.getWithMetadata("a"))?.metadata, { n: 1 });
    await Promise.all(engines.map((engine) => engine.close()));
    await client.query("INSERT INTO millrace_schema (version) VALUES (99)");
    await assert.rejects(createEngine(server.url), { code: "UNSUPPORTED", reason: "ERR_FORMAT_VERSION" });
    await client.end();
  });

  test("statements prepared under names work, and are given up when the server has lost them", async (t) => {
    const server = await openServer(t);
    const engine = await createEngine({ backend: `${server.url}?prepared=true`, retry: { baseDelayMs: 1 } });
    t.after(() => engine.close());
    for (let i = 0; i < 20; i++) await oneOfEach(engine, `k${i}`);
    await assert.rejects(
      engine.put("a", "x").then(() => engine.increment("a")),
      { reason: "ERR_NOT_AN_INTEGER" },
    );
    await oneOfEach(engine, "after");
  });
}
