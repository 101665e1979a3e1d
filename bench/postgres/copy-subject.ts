import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { newKey, nextValue } from "../lib/varied-rows.js";
import type { SubjectStart } from "./subject-protocol.js";
import type { Subject } from "./subjects.js";

const TABLE = "bench_copy";
/** What the engine's keys begin with: rows are to be as long as its own. */
const KEY_PREFIX = "state:";
const HEADER = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
const TRAILER = Buffer.from([0xff, 0xff]);
const ROWS_PER_CHUNK = 1000;

/**
 * COPY in binary into an empty table of the same definition as the engine's, indexes included: the fastest way in that
 * there is, and no way to change a row.
 */
export async function copySubject({ url }: SubjectStart, model: string): Promise<Subject> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`CREATE TABLE ${TABLE} (LIKE ${model} INCLUDING ALL)`);
  return {
    loads: {
      async "put-new"(durationMs) {
        await client.query(`TRUNCATE ${TABLE}`);
        let rows = 0;
        const cpu = process.cpuUsage();
        const started = performance.now();
        function* chunks(): Generator<Buffer> {
          yield HEADER;
          while (performance.now() - started < durationMs) {
            yield rowsOf(ROWS_PER_CHUNK);
            rows += ROWS_PER_CHUNK;
          }
          yield TRAILER;
        }
        const copy = client.query(copyFrom(`COPY ${TABLE} (key, value) FROM STDIN (FORMAT binary)`));
        await pipeline(Readable.from(chunks(), { objectMode: false }), copy);
        const elapsedMs = performance.now() - started;
        const { user, system } = process.cpuUsage(cpu);
        return { opsPerSec: (rows * 1000) / elapsedMs, errors: 0, cpuUsPerOp: (user + system) / rows };
      },
    },
    close: () => client.end(),
  };
}

function rowsOf(count: number): Buffer {
  const keys = Array.from({ length: count }, () => KEY_PREFIX + newKey());
  const values = keys.map(() => nextValue());
  const bytes = keys.reduce((sum, key, i) => sum + 10 + key.length + values[i]!.length, 0);
  const chunk = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const key = keys[i]!;
    const value = values[i]!;
    chunk.writeInt16BE(2, at);
    chunk.writeInt32BE(key.length, at + 2);
    chunk.write(key, at + 6, "latin1");
    at += 6 + key.length;
    chunk.writeInt32BE(value.length, at);
    value.copy(chunk, at + 4);
    at += 4 + value.length;
  }
  return chunk;
}
