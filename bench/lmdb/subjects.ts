import { createRequire } from "node:module";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import { createEngine } from "../../src/index.js";
import { CpuMeter } from "../lib/cpu-meter.js";
import { isInstalled } from "../lib/installed.js";
import { anyKey, KEY_COUNT, nextValue, rowKey } from "../lib/varied-rows.js";
import { type LoopResult, runClosedLoop } from "../load/closed-loop.js";

/** Puts that share a transaction where the caller has to put them together. */
const BATCH = 500;

/** One way of keeping state on this machine; every put is acknowledged when it is synced to the disk. */
export interface Subject {
  /** Absent: it has no form in which so many are under way. */
  put?(inFlight: number, durationMs: number): Promise<LoopResult>;
  get?(inFlight: number, durationMs: number): Promise<LoopResult>;
  close(): Promise<void>;
}

const OPENERS: Readonly<Record<string, (folder: string) => Promise<Subject>>> = {
  millrace: (folder) => engineSubject(`lmdb:${folder}`),
  "millrace-memory": async () => {
    const { get, close } = await engineSubject("memory:");
    return { get: get!, close };
  },
  "lmdb-js-async": asyncLmdbSubject,
  "lmdb-js-sync": syncLmdbSubject,
  [`classic-level-${BATCH}`]: levelSubject,
  [`node-sqlite-${BATCH}`]: sqliteSubject,
};

/** Those that can be opened here, and why the others cannot. */
export function subjectNames(): { readonly names: readonly string[]; readonly leftOut: ReadonlyMap<string, string> } {
  const all = Object.keys(OPENERS);
  const leftOut = new Map<string, string>();
  for (const name of all) {
    if (name.startsWith("node-sqlite") && nodeSqlite() === null)
      leftOut.set(name, `Node.js ${process.versions.node} does not have it`);
    if (name.startsWith("classic-level") && !isInstalled("classic-level"))
      leftOut.set(name, "the package classic-level is not installed");
  }
  return { names: all.filter((name) => !leftOut.has(name)), leftOut };
}

/** Opens a store and fills it with every key. */
export function openSubject(name: string, folder: string): Promise<Subject> {
  const open = OPENERS[name];
  if (open === undefined) throw new Error(`there is no subject ${name}`);
  return open(folder);
}

/** So many callers, each of whom awaits one operation after the other. */
function closedLoop(inFlight: number, durationMs: number, issue: () => Promise<unknown>): Promise<LoopResult> {
  return runClosedLoop({ issue, inFlight, durationMs });
}

/** One call after the other, `operationsPerCall` each. */
async function inTurn(durationMs: number, operationsPerCall: number, call: () => unknown): Promise<LoopResult> {
  let operations = 0;
  let errors = 0;
  const cpu = new CpuMeter();
  const start = performance.now();
  while (performance.now() - start < durationMs) {
    if ((await call()) === null) errors++;
    operations += operationsPerCall;
  }
  const elapsedMs = performance.now() - start;
  const opsPerSec = (operations * 1000) / elapsedMs;
  return { operations, elapsedMs, opsPerSec, cpuUsPerOp: cpu.elapsedUs() / operations, errors };
}

function someEntries(count: number): [string, Buffer][] {
  return Array.from({ length: count }, () => [anyKey(), nextValue()]);
}

function everyKey(): [string, Buffer][] {
  return Array.from({ length: KEY_COUNT }, (_, i) => [rowKey(i), nextValue()]);
}

async function inParts<T>(
  all: readonly T[],
  size: number,
  each: (part: readonly T[]) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < all.length; at += size) await each(all.slice(at, at + size));
}

async function engineSubject(backend: string): Promise<Subject> {
  const engine = await createEngine(backend);
  await inParts(everyKey(), 5000, (part) => engine.batchPut(part));
  return {
    put: (inFlight, durationMs) => closedLoop(inFlight, durationMs, () => engine.put(anyKey(), nextValue())),
    get: (inFlight, durationMs) => closedLoop(inFlight, durationMs, () => engine.get(anyKey())),
    close: () => engine.close(),
  };
}

async function openLmdbJs(folder: string): Promise<RootDatabase<Buffer, string>> {
  const database = open<Buffer, string>({
    path: folder,
    noSubdir: false,
    encoding: "binary",
    // Its promises resolve before the sync otherwise.
    overlappingSync: false,
  });
  await inParts(everyKey(), 5000, (part) => Promise.all(part.map(([key, value]) => database.put(key, value))));
  return database;
}

/** lmdb-js itself, with promises that wait for the sync; reads are awaited each, though it has the answer at once. */
async function asyncLmdbSubject(folder: string): Promise<Subject> {
  const database = await openLmdbJs(folder);
  const get = async (): Promise<Buffer | null> => database.getBinary(anyKey()) ?? null;
  return {
    put: (inFlight, durationMs) => closedLoop(inFlight, durationMs, () => database.put(anyKey(), nextValue())),
    get: (inFlight, durationMs) => closedLoop(inFlight, durationMs, get),
    close: () => database.close(),
  };
}

/** lmdb-js without promises: `putSync`, and reads one after the other. */
async function syncLmdbSubject(folder: string): Promise<Subject> {
  const database = await openLmdbJs(folder);
  return {
    put: (_inFlight, durationMs) => inTurn(durationMs, 1, () => database.putSync(anyKey(), nextValue())),
    get: (_inFlight, durationMs) => inTurn(durationMs, BATCH, () => readMany(() => database.getBinary(anyKey()))),
    close: () => database.close(),
  };
}

/** Reads that need no promise, a turn of the event loop between runs of them. */
function readMany(one: () => unknown): true | null {
  for (let i = 0; i < BATCH; i++) if (one() === undefined) return null;
  return true;
}

async function levelSubject(folder: string): Promise<Subject> {
  const { ClassicLevel } = await import("classic-level");
  const database = new ClassicLevel<string, Buffer>(join(folder, "level"), { valueEncoding: "buffer" });
  const write = async (entries: readonly (readonly [string, Buffer])[]): Promise<true> => {
    const operations = entries.map(([key, value]) => ({ type: "put" as const, key, value }));
    await database.batch(operations, { sync: true });
    return true;
  };
  await inParts(everyKey(), 5000, write);
  return {
    put: (_inFlight, durationMs) => inTurn(durationMs, BATCH, () => write(someEntries(BATCH))),
    get: (inFlight, durationMs) => closedLoop(inFlight, durationMs, async () => (await database.get(anyKey())) ?? null),
    close: () => database.close(),
  };
}

/** The part of node:sqlite that is used here; the types of older Node.js do not have it. */
interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): { get(...parameters: unknown[]): unknown; run(...parameters: unknown[]): unknown };
  close(): void;
}

interface Sqlite {
  readonly DatabaseSync: new (path: string) => SqliteDatabase;
}

/** null: this Node.js has none. */
function nodeSqlite(): Sqlite | null {
  try {
    return createRequire(import.meta.url)("node:sqlite") as Sqlite;
  } catch {
    return null;
  }
}

async function sqliteSubject(folder: string): Promise<Subject> {
  const database = new (nodeSqlite()!.DatabaseSync)(join(folder, "state.sqlite"));
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
    put: (_inFlight, durationMs) => inTurn(durationMs, BATCH, () => write(someEntries(BATCH))),
    get: (_inFlight, durationMs) => inTurn(durationMs, BATCH, () => readMany(() => select.get(anyKey()))),
    close: async () => database.close(),
  };
}
