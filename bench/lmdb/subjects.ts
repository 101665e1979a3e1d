import { createRequire } from "node:module";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { open } from "lmdb";
import { createEngine } from "../../src/index.js";
import { anyKey, KEY_COUNT, nextValue } from "../lib/varied-rows.js";

/** Puts that share a transaction where the caller has to put them together. */
const BATCH = 500;

export interface Round {
  readonly opsPerSec: number;
  /** Microseconds of this process's processors for an operation, the library's threads included. */
  readonly cpuUsPerOp: number;
  readonly errors: number;
  readonly operations: number;
}

/** One way of keeping state on this machine; every put is acknowledged when it is synced to the disk. */
export interface Subject {
  readonly name: string;
  /** Absent: it has no form in which so many are under way. */
  put?(inFlight: number, durationMs: number): Promise<Round>;
  get?(inFlight: number, durationMs: number): Promise<Round>;
  close(): Promise<void>;
}

async function timed(run: (ends: number) => Promise<{ operations: number; errors: number }>, durationMs: number) {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const { operations, errors } = await run(started + durationMs);
  const elapsedMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  const cpuUsPerOp = (user + system) / operations;
  return { opsPerSec: (operations * 1000) / elapsedMs, cpuUsPerOp, errors, operations };
}

/** So many callers, each of whom awaits one operation after the other. */
function closedLoop(inFlight: number, durationMs: number, one: () => Promise<unknown>): Promise<Round> {
  return timed(async (ends) => {
    let operations = 0;
    let errors = 0;
    const caller = async (): Promise<void> => {
      while (performance.now() < ends) {
        const result = await one();
        if (result === null || result === undefined) errors++;
        operations++;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    return { operations, errors };
  }, durationMs);
}

/** One call after the other, `operationsPerCall` each. */
function inTurn(durationMs: number, operationsPerCall: number, call: () => unknown): Promise<Round> {
  return timed(async (ends) => {
    let operations = 0;
    let errors = 0;
    while (performance.now() < ends) {
      const result = await call();
      if (result === null || result === undefined) errors++;
      operations += operationsPerCall;
    }
    return { operations, errors };
  }, durationMs);
}

function someEntries(count: number): [string, Buffer][] {
  return Array.from({ length: count }, () => [anyKey(), nextValue()]);
}

function everyKey(): [string, Buffer][] {
  return Array.from({ length: KEY_COUNT }, (_, i) => [`key:${i}`, nextValue()]);
}

async function inParts<T>(
  all: readonly T[],
  size: number,
  each: (part: readonly T[]) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < all.length; at += size) await each(all.slice(at, at + size));
}

export async function engineSubject(folder: string): Promise<Subject> {
  const engine = await createEngine(`lmdb:${folder}?name=millrace`);
  await inParts(everyKey(), 5000, (part) => engine.batchPut(part));
  const put = async (): Promise<true> => {
    await engine.put(anyKey(), nextValue());
    return true;
  };
  return {
    name: "millrace",
    put: (inFlight, durationMs) => closedLoop(inFlight, durationMs, put),
    get: (inFlight, durationMs) => closedLoop(inFlight, durationMs, () => engine.get(anyKey())),
    close: () => engine.close(),
  };
}

/** lmdb-js itself, with promises that wait for the sync: put by put, and with `putSync`. */
export async function lmdbSubjects(folder: string): Promise<Subject[]> {
  const database = open<Buffer, string>({
    path: join(folder, "lmdb-js"),
    noSubdir: false,
    encoding: "binary",
    // Its promises resolve before the sync otherwise.
    overlappingSync: false,
  });
  await inParts(everyKey(), 5000, (part) => Promise.all(part.map(([key, value]) => database.put(key, value))));
  const key = anyKey;
  return [
    {
      name: "lmdb-js-async",
      put: (inFlight, durationMs) => closedLoop(inFlight, durationMs, () => database.put(key(), nextValue())),
      get: (_inFlight, durationMs) => inTurn(durationMs, BATCH, () => readMany(() => database.getBinary(key()))),
      close: () => database.close(),
    },
    {
      name: "lmdb-js-putSync",
      put: (_inFlight, durationMs) => inTurn(durationMs, 1, () => database.putSync(key(), nextValue())),
      close: () => Promise.resolve(),
    },
  ];
}

/** Reads that need no promise, a turn of the event loop between runs of them. */
function readMany(one: () => unknown): true | null {
  for (let i = 0; i < BATCH; i++) if (one() === undefined) return null;
  return true;
}

export async function levelSubject(folder: string): Promise<Subject> {
  const database = new ClassicLevel<string, Buffer>(join(folder, "classic-level"), { valueEncoding: "buffer" });
  const write = async (entries: readonly (readonly [string, Buffer])[]): Promise<true> => {
    const operations = entries.map(([key, value]) => ({ type: "put" as const, key, value }));
    await database.batch(operations, { sync: true });
    return true;
  };
  await inParts(everyKey(), 5000, write);
  return {
    name: `classic-level-${BATCH}`,
    put: (_inFlight, durationMs) => inTurn(durationMs, BATCH, () => write(someEntries(BATCH))),
    get: (inFlight, durationMs) => closedLoop(inFlight, durationMs, () => database.get(anyKey())),
    close: () => database.close(),
  };
}

/** The part of node:sqlite that is used here; the types of older Node.js do not have it. */
interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): { get(...parameters: unknown[]): unknown; run(...parameters: unknown[]): unknown };
  close(): void;
}

/** null: this Node.js has no node:sqlite. */
export async function sqliteSubject(folder: string): Promise<Subject | null> {
  let sqlite: { DatabaseSync: new (path: string) => SqliteDatabase };
  try {
    sqlite = createRequire(import.meta.url)("node:sqlite") as typeof sqlite;
  } catch {
    return null;
  }
  const database = new sqlite.DatabaseSync(join(folder, "state.sqlite"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
  const upsert = database.prepare(
    "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  );
  const select = database.prepare("SELECT value FROM state WHERE key = ?");
  const write = (entries: readonly (readonly [string, Buffer])[]): true => {
    database.exec("BEGIN");
    for (const [key, value] of entries) upsert.run(key, value);
    database.exec("COMMIT");
    return true;
  };
  await inParts(everyKey(), 5000, async (part) => write(part));
  return {
    name: `node-sqlite-${BATCH}`,
    put: (_inFlight, durationMs) => inTurn(durationMs, BATCH, () => write(someEntries(BATCH))),
    get: (_inFlight, durationMs) => inTurn(durationMs, BATCH, () => readMany(() => select.get(anyKey()))),
    close: async () => database.close(),
  };
}
