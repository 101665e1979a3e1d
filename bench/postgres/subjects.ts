import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { Engine } from "../../src/index.js";
import { type PostgresServer, temporaryFolder } from "../../src/testing/index.js";
import { anyKey, KEY_COUNT, nextValue, VALUE_BYTES } from "../lib/varied-rows.js";

const POOL_SIZE = 10;
/** The table of those who write their statements themselves: what the engine's has, without what only the engine needs. */
const TABLE = "bench_rows";

export interface Round {
  readonly opsPerSec: number;
  readonly errors: number;
  /** Processor time of this process for each operation; null: the work is another process's. */
  readonly cpuUsPerOp: number | null;
}

export interface Subject {
  readonly name: string;
  put(durationMs: number): Promise<Round>;
  /** undefined: it has none. */
  readonly get: ((durationMs: number) => Promise<Round>) | undefined;
  close(): Promise<void>;
}

/** So many callers, each of whom awaits one operation after the other. */
async function closedLoop(callers: number, durationMs: number, one: () => Promise<unknown>): Promise<Round> {
  let operations = 0;
  let errors = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  const ends = started + durationMs;
  const caller = async (): Promise<void> => {
    while (performance.now() < ends) {
      try {
        if ((await one()) === null) errors++;
      } catch {
        errors++;
      }
      operations++;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const elapsedMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return { opsPerSec: (operations * 1000) / elapsedMs, errors, cpuUsPerOp: (user + system) / operations };
}

export function engineSubject(engine: Engine, inFlight: number): Subject {
  return {
    name: "millrace",
    put: (durationMs) => closedLoop(inFlight, durationMs, () => engine.put(anyKey(), nextValue())),
    get: (durationMs) => closedLoop(inFlight, durationMs, () => engine.get(anyKey())),
    close: () => engine.close(),
  };
}

/** A pool of `pg` with a statement per operation, in its usual form. */
export async function poolSubject(server: PostgresServer, inFlight: number): Promise<Subject> {
  const pool = new pg.Pool({ connectionString: server.url, max: POOL_SIZE });
  await pool.query(`CREATE TABLE IF NOT EXISTS ${TABLE} (key bytea PRIMARY KEY, value bytea NOT NULL)`);
  await pool.query(
    `INSERT INTO ${TABLE} SELECT ('key:' || i)::bytea, decode(repeat('61', ${VALUE_BYTES}), 'hex')
     FROM generate_series(0, ${KEY_COUNT - 1}) i ON CONFLICT DO NOTHING`,
  );
  await pool.query(`VACUUM ANALYZE ${TABLE}`);
  const put = `INSERT INTO ${TABLE} VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`;
  const get = `SELECT value FROM ${TABLE} WHERE key = $1`;
  return {
    name: "pg-pool-10",
    put: (durationMs) => closedLoop(inFlight, durationMs, () => pool.query(put, [Buffer.from(anyKey()), nextValue()])),
    get: (durationMs) =>
      closedLoop(
        inFlight,
        durationMs,
        async () => (await pool.query(get, [Buffer.from(anyKey())])).rows[0]?.value ?? null,
      ),
    close: () => pool.end(),
  };
}

const COPY_HEADER = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
const COPY_ROWS_PER_CHUNK = 1000;

/** COPY in binary into an empty table with a primary key: the fastest way in that there is, and no way to change a row. */
export async function copySubject(server: PostgresServer): Promise<Subject> {
  const client = new pg.Client(server.url);
  await client.connect();
  await client.query("CREATE TABLE bench_copy (key bytea PRIMARY KEY, value bytea NOT NULL)");
  return {
    name: "copy-binary",
    async put(durationMs) {
      await client.query("TRUNCATE bench_copy");
      let rows = 0;
      const cpu = process.cpuUsage();
      const started = performance.now();
      function* chunks(): Generator<Buffer> {
        yield COPY_HEADER;
        while (performance.now() - started < durationMs) {
          const parts: Buffer[] = [];
          for (let i = 0; i < COPY_ROWS_PER_CHUNK; i++) parts.push(copyRow(`key:${(rows++ * 7919) % 1_000_000_007}`));
          yield Buffer.concat(parts);
        }
        yield Buffer.from([0xff, 0xff]);
      }
      const copy = client.query(copyFrom("COPY bench_copy FROM STDIN (FORMAT binary)"));
      await pipeline(Readable.from(chunks(), { objectMode: false }), copy);
      const elapsedMs = performance.now() - started;
      const { user, system } = process.cpuUsage(cpu);
      return { opsPerSec: (rows * 1000) / elapsedMs, errors: 0, cpuUsPerOp: (user + system) / rows };
    },
    get: undefined,
    close: () => client.end(),
  };
}

function copyRow(key: string): Buffer {
  const value = nextValue();
  const row = Buffer.allocUnsafe(2 + 4 + key.length + 4 + value.length);
  row.writeInt16BE(2, 0);
  row.writeInt32BE(key.length, 2);
  row.write(key, 6, "latin1");
  row.writeInt32BE(value.length, 6 + key.length);
  value.copy(row, 10 + key.length);
  return row;
}

/** The server's own load generator, one row a statement, prepared, ten connections. */
export async function pgbenchSubject(server: PostgresServer): Promise<Subject> {
  const folder = await temporaryFolder("millrace-pgbench-");
  const script = async (name: string, text: string): Promise<string> => {
    const path = join(folder.path, name);
    await writeFile(path, text);
    return path;
  };
  const key = `\\set n random(0, ${KEY_COUNT - 1})\n`;
  const put = await script(
    "put.sql",
    `${key}INSERT INTO ${TABLE} VALUES (('key:' || :n)::bytea, repeat(md5(random()::text), 3)::bytea)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value;\n`.replace(/\n +/g, " "),
  );
  const get = await script("get.sql", `${key}SELECT value FROM ${TABLE} WHERE key = ('key:' || :n)::bytea;\n`);
  const run = async (file: string, durationMs: number): Promise<Round> => {
    const seconds = Math.max(1, Math.round(durationMs / 1000));
    const { stdout } = await promisify(execFile)(
      join(server.binaries, "pgbench"),
      ["-n", "-M", "prepared", "-c", String(POOL_SIZE), "-j", "2", "-T", String(seconds), "-f", file, server.url],
      { cwd: folder.path },
    );
    return { opsPerSec: Number(/tps = ([\d.]+)/.exec(stdout)?.[1]), errors: 0, cpuUsPerOp: null };
  };
  return {
    name: "pgbench",
    put: (durationMs) => run(put, durationMs),
    get: (durationMs) => run(get, durationMs),
    close: () => folder.remove(),
  };
}
