import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { createEngine, type Engine } from "../../../src/index.js";
import {
  findPgBouncer,
  makeCertificates,
  type PostgresServerOptions,
  startPgBouncer,
  startPostgres,
  temporaryFolder,
} from "../../../src/testing/index.js";
import { openConnections } from "../../support/connections.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";
import { startTransactionRelay } from "../../support/transaction-relay.js";
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

async function oneOfEach(engine: Engine, key: string): Promise<void> {
  await Promise.all([engine.put(key, "1"), engine.put(`${key}2`, "2", { ttlMs: 60_000 })]);
  assert.deepEqual((await engine.batchGet([key, `${key}2`, "absent"])).map(String), ["1", "2", "null"]);
  assert.equal(await engine.increment(key), 2n);
  await engine.transaction([
    { type: "put", key: `${key}3`, value: "3" },
    { type: "delete", key: `${key}2` },
  ]);
  assert.deepEqual(await engine.listKeys(key), [key, `${key}3`]);
  assert.equal(await engine.batchDelete([key, `${key}2`, `${key}3`]), 2);
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

  const bouncer = await findPgBouncer();
  const skip = bouncer === null ? "there is no pgbouncer here" : false;
  test("PgBouncer in transaction mode serves all operations, pipelined and at once", { skip }, async (t) => {
    const server = await openServer(t);
    const pooler = await startPgBouncer(server, 2);
    t.after(() => pooler.stop());
    const engines = await Promise.all(
      [1, 2, 3, 4].map(() => createEngine({ backend: pooler.url, retry: { retries: 10 } })),
    );
    t.after(async () => {
      await Promise.all(engines.map((engine) => engine.close()));
    });
    await Promise.all(engines.map((engine, which) => oneOfEach(engine.namespace(`${which}:`), "k")));
    await Promise.all(
      engines.flatMap((engine) => Array.from({ length: 500 }, (_, i) => engine.increment(`sum ${i % 20}`))),
    );
    let sum = 0n;
    for (let i = 0; i < 20; i++) sum += await engines[0]!.increment(`sum ${i}`, 0);
    assert.equal(sum, 2000n);
    const keys = Array.from({ length: 3000 }, (_, i) => `k${i}`);
    await Promise.all(
      engines.map((engine, which) => Promise.all(keys.map((key) => engine.put(`${which}${key}`, key)))),
    );
    for (const [which, engine] of engines.entries()) {
      const values = await Promise.all(keys.map((key) => engine.get(`${which}${key}`)));
      assert.deepEqual(values.map(String), keys);
    }
    assert.equal(await engines[0]!.bulkLoad(keys.map((key) => [`bulk ${key}`, key] as const)), keys.length);
  });

  test("a pooler is sent nothing on a connection before it has answered, a server is", { skip }, async (t) => {
    const server = await openServer(t);
    const pooler = await startPgBouncer(server, 2);
    t.after(() => pooler.stop());
    const sentAhead = async (url: string, port: number): Promise<number> => {
      const relay = await startTransactionRelay(port);
      t.after(() => relay.close());
      const place = new URL(url);
      place.port = String(relay.port);
      const engine = await createEngine({ backend: place.href, keyPrefix: `${port}:`, pool: { max: 2 } });
      try {
        const keys = Array.from({ length: 2000 }, (_, i) => `k${i}`);
        for (let round = 0; round < 3; round++) {
          const calls = keys.flatMap((key, i) => [
            engine.put(key, `${round}`),
            engine.get(`k${(i * 7) % 2000}`),
            engine.contains(`other ${key}`),
            ...(i % 100 === 0 ? [engine.increment(`n${i}`), engine.delete(`other ${i}`)] : []),
          ]);
          await Promise.all(calls);
        }
        for (const key of keys) assert.equal(String(await engine.get(key)), "2");
        assert.equal(await engine.increment("n0", 0), 3n);
      } finally {
        await engine.close();
      }
      return relay.overtaking();
    };
    assert.equal(await sentAhead(pooler.url, pooler.port), 0);
    assert.ok((await sentAhead(server.url, server.port)) > 10);
  });

  test("a pooler under load hands on what it was sent", { skip }, async (t) => {
    const server = await openServer(t);
    const pooler = await startPgBouncer(server, 4);
    t.after(() => pooler.stop());
    const engine = await createEngine({ backend: pooler.url, timeouts: { operationMs: 20_000 } });
    t.after(() => engine.close());
    const keys = Array.from({ length: 20_000 }, (_, i) => `k${i}`);
    const padding = "x".repeat(100);
    await engine.batchPut(keys.map((key) => [key, `${key} ${padding}`]));
    let made = 0;
    const caller = async (): Promise<void> => {
      for (let i = 0; i < 200; i++) {
        const key = keys[(made++ * 7919) % keys.length]!;
        if (made % 2 === 0) await engine.put(key, `${key} ${made} ${padding}`);
        else assert.equal(String(await engine.get(key)).split(" ")[0], key);
      }
    };
    await Promise.all(Array.from({ length: 1000 }, caller));
    assert.equal(engine.stats().operationsFailed, 0);
  });

  test("what waits for a pooler's answer and is given up is never sent, and costs nobody the connection", {
    skip,
  }, async (t) => {
    const server = await openServer(t);
    const pooler = await startPgBouncer(server, 3);
    t.after(() => pooler.stop());
    const engine = await createEngine({ backend: pooler.url, timeouts: { operationMs: 20_000 } });
    t.after(() => engine.close());
    await engine.put("a", "1");
    const other = new Client(server.url);
    other.on("error", () => {});
    await other.connect();
    t.after(() => other.end());
    await other.query("BEGIN");
    await other.query("SELECT 1 FROM millrace_entries FOR UPDATE");
    const first = engine.put("a", "2");
    await delay(50);
    const second = failureOf(engine.put("a", "3", { timeoutMs: 200 }));
    assert.equal((await second).code, "TIMEOUT");
    await other.query("COMMIT");
    await first;
    assert.equal(engine.stats().operationsFailed, 1);
    assert.equal(String(await engine.get("a")), "2");
  });

  test("what had not left for a pooler when its connection was lost was not applied, and is sent again", {
    skip,
  }, async (t) => {
    const server = await openServer(t);
    const pooler = await startPgBouncer(server, 3);
    t.after(() => pooler.stop());
    const engine = await createEngine({ backend: pooler.url, timeouts: { operationMs: 20_000 } });
    t.after(() => engine.close());
    await engine.put("a", "1");
    const other = new Client(server.url);
    other.on("error", () => {});
    await other.connect();
    t.after(() => other.end());
    await other.query("BEGIN");
    await other.query("SELECT 1 FROM millrace_entries FOR UPDATE");
    // One batch, whose deletes go first.
    const removal = failureOf(engine.delete("a"));
    // Where it is not known, a put that may have ended by then is not sent again.
    const put = engine.put("b", "2", { ttlMs: 15_000 });
    const waiting = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()";
    await until("it waits", async () => (await other.query(`SELECT 1 ${waiting}`)).rows.length > 0);
    await other.query(`SELECT pg_terminate_backend(pid) ${waiting}`);
    assert.equal((await removal).outcome, "unknown");
    await other.query("COMMIT");
    await put;
    assert.equal(String(await engine.get("b")), "2");
    assert.equal(engine.stats().operationsFailed, 1);
  });

  test("names of statements that a pooler loses cost no call its answer", { skip }, async (t) => {
    const server = await openServer(t);
    const pooler = await startPgBouncer(server, 2);
    t.after(() => pooler.stop());
    const engines = await Promise.all(
      [1, 2, 3].map(() =>
        createEngine({
          backend: `${pooler.url}?prepared=true`,
          retry: { retries: 10, baseDelayMs: 1 },
          timeouts: { operationMs: 20_000 },
        }),
      ),
    );
    t.after(async () => {
      await Promise.all(engines.map((engine) => engine.close()));
    });
    for (let round = 0; round < 10; round++) {
      await Promise.all(engines.map((engine, which) => oneOfEach(engine.namespace(`${which}:`), `k${round}`)));
    }
  });
}
