import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { below, pick, seededRandom } from "../../../bench/lib/rng.js";
import { createEngine } from "../../../src/index.js";
import { startPostgres } from "../../../src/testing/index.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { postgresIsThere, type TestScope } from "../../support/stores.js";

const CONNECTIONS = 3;
/** Longer than batches are gathered for. */
const SENT_MS = 60;

async function connected(t: TestScope, url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  t.after(() => client.end());
  return client;
}

/** An engine, and another program at the same server. */
async function openScene(t: TestScope) {
  nothingEscapes(t);
  const server = await startPostgres();
  t.after(() => server.stop());
  const engine = await createEngine({ backend: server.url, timeouts: { operationMs: 60_000 } });
  t.after(() => engine.close());
  const other = await createEngine({ backend: server.url });
  t.after(() => other.close());
  return { server, engine, other };
}

if (await postgresIsThere("the order of reads on PostgreSQL")) {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
  ]) {
    test(`reads of a key see another program's writes in their order, each behind a lock of its own (released ${order})`, async (t) => {
      const { server, engine, other } = await openScene(t);
      for (const row of order) await other.put(`row ${row}`, "");
      await other.put("read", "0");
      const holders: Client[] = [];
      const calls: Promise<unknown>[] = [];
      for (let row = 0; row < CONNECTIONS; row++) {
        const holder = await connected(t, server.url);
        await holder.query("BEGIN");
        await holder.query("SELECT 1 FROM millrace_entries WHERE convert_from(key, 'UTF8') LIKE $1 FOR UPDATE", [
          `%row ${row}`,
        ]);
        holders.push(holder);
        calls.push(engine.put(`row ${row}`, "written"));
        await delay(SENT_MS);
      }
      const observer = await connected(t, server.url);
      const { rows } = await observer.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      assert.equal(rows.length, CONNECTIONS, "each waits on a connection of its own");
      const reads: Promise<string>[] = [];
      for (let i = 0; i < CONNECTIONS; i++) {
        reads.push(engine.get("read").then(String));
        await delay(SENT_MS);
      }
      for (const [turn, row] of order.entries()) {
        await holders[row]!.query("COMMIT");
        await delay(SENT_MS);
        await other.put("read", String(turn + 1));
      }
      await Promise.all(calls);
      const seen = await Promise.all(reads);
      assert.deepEqual(seen, seen.toSorted());
    });
  }

  test("calls of other keys do not wait with those that wait for a locked row, whatever connection these need", async (t) => {
    const { server, engine, other } = await openScene(t);
    const rows = Array.from({ length: CONNECTIONS - 1 }, (_, row) => `row ${row}`);
    for (const row of rows) await other.put(row, "");
    const holder = await connected(t, server.url);
    await holder.query("BEGIN");
    await holder.query("SELECT 1 FROM millrace_entries FOR UPDATE");
    const settled: string[] = [];
    const waiting: Promise<unknown>[] = [];
    for (const row of rows) {
      waiting.push(engine.put(row, "first").finally(() => settled.push(`put ${row}`)));
      await delay(SENT_MS);
    }
    const others: Promise<unknown>[] = [];
    for (let i = 0; i < 100; i++) {
      others.push(engine.put(`free ${i}`, "written"));
      for (const row of rows) waiting.push(engine.get(row).finally(() => settled.push(`get ${row} ${i}`)));
      others.push(engine.get(`free ${i}`));
      if (i % 10 === 0) await delay(1);
    }
    await Promise.all(others);
    assert.deepEqual(settled, []);
    await holder.query("COMMIT");
    const reads = (await Promise.all(waiting)).slice(rows.length);
    assert.deepEqual(
      reads.map(String),
      reads.map(() => "first"),
    );
    for (const row of rows) {
      const expected = [`put ${row}`, ...Array.from({ length: 100 }, (_, i) => `get ${row} ${i}`)];
      assert.deepEqual(
        settled.filter((call) => expected.includes(call)),
        expected,
      );
    }
  });

  for (const { others, share } of [
    { others: 3000, share: 0.1 },
    { others: 300_000, share: 0.01 },
  ]) {
    test(`reads of a key, called in many batches at once, never go back behind what another program has written (${others} keys beside)`, async (t) => {
      const { engine, other } = await openScene(t);
      const written = Array.from({ length: 50 }, (_, i) => `written ${i}`);
      await other.batchPut(written.map((key) => [key, "0"] as const));
      let isOver = false;
      const write = async (): Promise<void> => {
        for (let version = 1; !isOver; version++) {
          await other.batchPut(written.map((key) => [key, String(version)] as const));
        }
      };
      const seen = new Map<string, Promise<number>[]>(written.map((key) => [key, []]));
      const read = async (): Promise<void> => {
        const random = seededRandom(7);
        const endsMs = performance.now() + 4000;
        let underWay = 0;
        while (performance.now() < endsMs) {
          if (underWay < 2000) {
            for (let i = 0; i < 100; i++) {
              underWay++;
              const key = random() < share ? pick(random, written) : `absent ${below(random, others)}`;
              const value = engine
                .get(key)
                .then(Number)
                .finally(() => underWay--);
              seen.get(key)?.push(value);
            }
          }
          await new Promise(setImmediate);
        }
        isOver = true;
      };
      await Promise.all([write(), read()]);
      let backwards = 0;
      let changes = 0;
      for (const values of seen.values()) {
        const versions = await Promise.all(values);
        for (const [i, version] of versions.entries()) {
          if (version < (versions[i - 1] ?? 0)) backwards++;
          if (version > (versions[i - 1] ?? 0)) changes++;
        }
      }
      assert.equal(backwards, 0);
      assert.ok(changes > 100, `${changes} changes were seen`);
    });
  }
}
