import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { createEngine, type Engine } from "../../../src/index.js";
import {
  findPgBouncer,
  type PgBouncer,
  type PostgresServer,
  startPgBouncer,
  startPostgres,
} from "../../../src/testing/index.js";
import { oneOfEach } from "../../support/one-of-each.js";
import { failureOf, nothingEscapes } from "../../support/outcomes.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";
import { startTransactionRelay } from "../../support/transaction-relay.js";
import { until } from "../../support/until.js";

/** A server, and a pooler in transaction mode with so many connections to it. */
async function openServers(
  t: TestScope,
  connections: number,
): Promise<{ readonly server: PostgresServer; readonly pooler: PgBouncer }> {
  nothingEscapes(t);
  const server = await startPostgres();
  t.after(() => server.stop());
  const pooler = await startPgBouncer(server, connections);
  t.after(() => pooler.stop());
  return { server, pooler };
}

/** An engine behind a pooler, and another client that has locked the row of its key `a`. */
async function openLockedScene(t: TestScope): Promise<{ readonly engine: Engine; readonly other: Client }> {
  const { server, pooler } = await openServers(t, 3);
  const engine = await createEngine({ backend: pooler.url, timeouts: { operationMs: 20_000 } });
  t.after(() => engine.close());
  await engine.put("a", "1");
  const other = new Client(server.url);
  other.on("error", () => {});
  await other.connect();
  t.after(() => other.end());
  await other.query("BEGIN");
  await other.query("SELECT 1 FROM millrace_entries FOR UPDATE");
  return { engine, other };
}

const skip = (await findPgBouncer()) === null ? "there is no pgbouncer here" : false;

if (await postgresIsThere("a pooler before PostgreSQL")) {
  test("PgBouncer in transaction mode serves all operations at once", { skip }, async (t) => {
    const { pooler } = await openServers(t, 2);
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
    const { server, pooler } = await openServers(t, 2);
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
    const { pooler } = await openServers(t, 4);
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
    const { engine, other } = await openLockedScene(t);
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
    const { engine, other } = await openLockedScene(t);
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
    const { pooler } = await openServers(t, 2);
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
