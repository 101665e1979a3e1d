import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { createEngine } from "../../src/index.js";
import { temporaryFolder } from "../../src/testing/index.js";
import { FIRST_KEY } from "../lib/key-text.js";
import { anyKey, KEY_COUNT, newKey, nextValue, rowKey, VALUE_BYTES } from "../lib/varied-rows.js";
import { runClosedLoop } from "../load/closed-loop.js";
import { runOpenLoop } from "../load/open-loop.js";
import { copySubject } from "./copy-subject.js";
import type { Load, OpenRound, Round, SubjectOrders, SubjectStart } from "./subject-protocol.js";

export const ENGINE = "millrace";
export const POOL = "pg-pool-10";
export const COPY = "copy-binary";
export const PGBENCH = "pgbench";

export interface Subject {
  readonly loads: { readonly [Name in Load]?: (durationMs: number) => Promise<Round> };
  open?(order: SubjectOrders["open"]["order"]): Promise<OpenRound>;
  close(): Promise<unknown>;
}

const POOL_SIZE = 10;
/** The table of those who write their statements themselves: what the engine's has, without what only the engine needs. */
const TABLE = "bench_rows";
/** The same for new rows. */
const NEW_TABLE = "bench_new_rows";
/** Where the engine's tables for new rows are. */
export const NEW_SCHEMA = "bench_new";

export function openSubject(start: SubjectStart): Promise<Subject> {
  switch (start.name) {
    case ENGINE:
      return engineSubject(start);
    case POOL:
      return poolSubject(start);
    case COPY:
      return copySubject(start, `${NEW_SCHEMA}.millrace_entries`);
    case PGBENCH:
      return pgbenchSubject(start);
  }
  throw new Error(`there is no subject ${start.name}`);
}

/** So many callers, each of whom awaits one operation after the other. */
function loop(inFlight: number, issue: () => Promise<unknown>): (durationMs: number) => Promise<Round> {
  return (durationMs) => runClosedLoop({ issue, inFlight, durationMs });
}

async function engineSubject({ url, inFlight }: SubjectStart): Promise<Subject> {
  const engine = await createEngine({ backend: `${url}?sslmode=disable` });
  await engine.bulkLoad(Array.from({ length: KEY_COUNT }, (_, i) => [rowKey(i), nextValue()] as const));
  await engine.vacuum();
  const newcomer = await createEngine({ backend: `${url}?sslmode=disable&schema=${NEW_SCHEMA}` });
  const client = new pg.Client(url);
  await client.connect();
  const get = () => engine.get(anyKey());
  const put = () => engine.put(anyKey(), nextValue());
  const putNew = loop(inFlight, () => newcomer.put(newKey(), nextValue()));
  let calls = 0;
  return {
    loads: {
      put: loop(inFlight, put),
      get: loop(inFlight, get),
      "put-new": async (durationMs) => {
        await client.query(`TRUNCATE ${NEW_SCHEMA}.millrace_entries`);
        return putNew(durationMs);
      },
    },
    async open(order) {
      const issue = () => (calls++ % 2 === 0 ? get() : put());
      const { opsPerSec, errors, recorder } = await runOpenLoop({ ...order, issue });
      return { opsPerSec, errors, latencies: recorder.summary() };
    },
    close: () => Promise.all([engine.close(), newcomer.close(), client.end()]),
  };
}

/** A pool of `pg` with a statement per operation, in its usual form. */
async function poolSubject({ url, inFlight }: SubjectStart): Promise<Subject> {
  const pool = new pg.Pool({ connectionString: url, max: POOL_SIZE });
  for (const table of [TABLE, NEW_TABLE]) {
    await pool.query(`CREATE TABLE IF NOT EXISTS ${table} (key bytea PRIMARY KEY, value bytea NOT NULL)`);
  }
  await pool.query(
    `INSERT INTO ${TABLE} SELECT ('key:' || i)::bytea, decode(repeat('61', ${VALUE_BYTES}), 'hex')
     FROM generate_series(${FIRST_KEY}, ${FIRST_KEY + KEY_COUNT - 1}) i ON CONFLICT DO NOTHING`,
  );
  await pool.query(`VACUUM ANALYZE ${TABLE}`);
  const putInto = (table: string): string =>
    `INSERT INTO ${table} VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`;
  const [put, putNew] = [putInto(TABLE), putInto(NEW_TABLE)];
  const putNewRow = loop(inFlight, () => pool.query(putNew, [Buffer.from(newKey()), nextValue()]));
  const get = `SELECT value FROM ${TABLE} WHERE key = $1`;
  return {
    loads: {
      put: loop(inFlight, () => pool.query(put, [Buffer.from(anyKey()), nextValue()])),
      get: loop(inFlight, async () => (await pool.query(get, [Buffer.from(anyKey())])).rows[0]?.value ?? null),
      "put-new": async (durationMs) => {
        await pool.query(`TRUNCATE ${NEW_TABLE}`);
        return putNewRow(durationMs);
      },
    },
    close: () => pool.end(),
  };
}

/** The server's own load generator, one row a statement, prepared, ten connections. */
async function pgbenchSubject({ url, binaries }: SubjectStart): Promise<Subject> {
  const folder = await temporaryFolder("millrace-pgbench-");
  const script = async (name: string, text: string): Promise<string> => {
    const path = join(folder.path, name);
    await writeFile(path, text);
    return path;
  };
  const key = `\\set n random(${FIRST_KEY}, ${FIRST_KEY + KEY_COUNT - 1})\n`;
  const put = await script(
    "put.sql",
    `${key}INSERT INTO ${TABLE} VALUES (('key:' || :n)::bytea, repeat(md5(random()::text), 3)::bytea)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value;\n`.replace(/\n +/g, " "),
  );
  const get = await script("get.sql", `${key}SELECT value FROM ${TABLE} WHERE key = ('key:' || :n)::bytea;\n`);
  const run = async (file: string, durationMs: number): Promise<Round> => {
    const seconds = Math.max(1, Math.round(durationMs / 1000));
    const { stdout } = await promisify(execFile)(
      join(binaries, "pgbench"),
      ["-n", "-M", "prepared", "-c", String(POOL_SIZE), "-j", "2", "-T", String(seconds), "-f", file, url],
      { cwd: folder.path },
    );
    return { opsPerSec: Number(/tps = ([\d.]+)/.exec(stdout)?.[1]), errors: 0, cpuUsPerOp: null };
  };
  return {
    loads: { put: (durationMs) => run(put, durationMs), get: (durationMs) => run(get, durationMs) },
    close: () => folder.remove(),
  };
}
