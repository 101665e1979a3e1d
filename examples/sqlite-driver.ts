// A driver of one's own: SQLite through node:sqlite (Node.js 22.13 or newer). Each batch is one transaction, synced when
// it commits, so an acknowledged write survives the process and the power. How drivers work: docs/drivers.md.
import { createRequire } from "node:module";
import { BackendError, ClosedError, ConnectionError } from "millrace";
import * as drivers from "millrace/driver";

/** The part of node:sqlite that is used here; the types of older Node.js do not have it. */
type Columns = Record<string, unknown>;
interface Statement {
  get(...parameters: unknown[]): Columns | undefined;
  all(...parameters: unknown[]): Columns[];
  run(...parameters: unknown[]): { changes: number | bigint };
}
interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** Lifetimes are kept as wall-clock milliseconds; 0: never expires. */
type Row = { readonly stored: Buffer; readonly expiresAtMs: number };

const SCHEMA = `
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 3000;
  CREATE TABLE IF NOT EXISTS state (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS state_expiry ON state (expires) WHERE expires > 0;
`;
/** Keys that begin with a prefix of some length, expired ones left out. */
const BELOW = "substr(key, 1, ?) = ? AND (expires = 0 OR expires > ?) AND key >= ?";
const SCAN = `SELECT key, value FROM state WHERE ${BELOW} AND key > ? ORDER BY key LIMIT 512`;
const CLEAR = `DELETE FROM state WHERE ${BELOW}`;
const SWEEP = "DELETE FROM state WHERE key IN (SELECT key FROM state WHERE expires > 0 AND expires <= ? LIMIT 200)";
const BYTES = "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size";

/** An open database: what BatchRun asks of a store, inside the transaction of a batch. */
class Session implements drivers.EntryAccess<Row> {
  readonly database: Database;
  nowMs = 0;
  readonly #codec: drivers.ValueCodec;
  readonly #prefix: Buffer;
  readonly #checksum: drivers.KeyChecksum;
  readonly #statements = new Map<string, Statement>();

  constructor(database: Database, context: drivers.DriverContext) {
    database.exec(SCHEMA);
    this.database = database;
    this.#codec = context.codec;
    this.#prefix = Buffer.from(context.keyPrefix);
    this.#checksum = new drivers.KeyChecksum(context.keyPrefix);
  }
  sql(text: string): Statement {
    const statement = this.#statements.get(text) ?? this.database.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }
  find(key: drivers.CanonicalKey): Row | undefined {
    const row = this.sql("SELECT value, expires FROM state WHERE key = ?").get(this.#stored(key));
    const expiresAtMs = Number(row?.expires);
    if (row === undefined || (expiresAtMs !== 0 && expiresAtMs <= this.nowMs)) return undefined;
    return { stored: asBuffer(row.value), expiresAtMs };
  }
  valueOf(key: drivers.CanonicalKey, { stored }: Row): Buffer {
    return this.#codec.decode(stored, 0, stored.length, this.#checksum.of(key));
  }
  encode(key: drivers.CanonicalKey, value: drivers.Value): Buffer {
    return this.#codec.encode(this.#checksum.of(key), value);
  }
  putEncoded(key: drivers.CanonicalKey, stored: Buffer, expiresAtMs: number): void {
    this.sql("INSERT OR REPLACE INTO state VALUES (?, ?, ?)").run(this.#stored(key), stored, expiresAtMs);
  }
  setExpiry(key: drivers.CanonicalKey, { stored }: Row, expiresAtMs: number): void {
    this.putEncoded(key, stored, expiresAtMs);
  }
  remove(key: drivers.CanonicalKey): void {
    this.sql("DELETE FROM state WHERE key = ?").run(this.#stored(key));
  }

  below(prefix: string): Buffer {
    return Buffer.concat([this.#prefix, Buffer.from(prefix)]);
  }
  keyOf(row: Columns): drivers.CanonicalKey {
    return drivers.canonicalKeyOfBytes(asBuffer(row.key).subarray(this.#prefix.length));
  }
  #stored(key: drivers.CanonicalKey): Buffer {
    return Buffer.concat([this.#prefix, drivers.keyBytes(key)]);
  }
}

export class SqliteDriver implements drivers.Driver {
  readonly name = "sqlite";
  readonly capabilities: drivers.Capabilities = {
    maxInFlight: 1,
    maxKeyBytes: 65_536,
    expiry: true,
    transactions: true,
    metadata: false,
    replicatedDurability: false,
    scansOnce: true,
  };
  readonly #path: string;
  readonly #wallMs: () => number;
  #session: Session | undefined;

  constructor(path: string, wallMs = Date.now) {
    this.#path = path;
    this.#wallMs = wallMs;
  }

  async open(context: drivers.DriverContext): Promise<void> {
    try {
      const sqlite = createRequire(import.meta.url)("node:sqlite") as { DatabaseSync: new (path: string) => Database };
      this.#session = new Session(new sqlite.DatabaseSync(this.#path), context);
    } catch (cause) {
      throw new ConnectionError(`${this.#path} cannot be opened`, { backend: this.name, reason: "ERR_OPEN", cause });
    }
  }

  execute(batch: drivers.Batch): void {
    const session = this.#session;
    if (session === undefined) {
      batch.forEachLeader((request) => batch.fail(request, drivers.locateError(closed(), request, this.name)));
      batch.complete();
      return;
    }
    session.nowMs = this.#wallMs();
    const run = new drivers.BatchRun(batch, session, this.name);
    try {
      session.database.exec("BEGIN IMMEDIATE");
      session.sql(SWEEP).run(session.nowMs);
      run.run();
      session.database.exec("COMMIT");
    } catch (cause) {
      run.fail(new BackendError(`not committed: ${cause}`, { reason: "ERR_COMMIT", outcome: "unknown", cause }));
      try {
        session.database.exec("ROLLBACK");
      } catch {
        // There is none to take back: it did not begin, or SQLite has taken it back itself.
      }
      return;
    }
    run.settle();
  }

  async *scan(prefix: string, withValues: boolean): AsyncGenerator<drivers.ScanPage> {
    let after: unknown = Buffer.alloc(0);
    for (;;) {
      const session = this.#opened();
      const start = session.below(prefix);
      const rows = session.sql(SCAN).all(start.length, start, this.#wallMs(), start, after);
      if (rows.length === 0) return;
      after = rows.at(-1)?.key;
      const keys = rows.map((row) => session.keyOf(row));
      yield withValues ? { keys, values: rows.map((row) => this.#scanned(session, row)) } : { keys };
    }
  }

  async clear(prefix: string): Promise<number> {
    const start = this.#opened().below(prefix);
    const { changes } = this.#opened().sql(CLEAR).run(start.length, start, this.#wallMs(), start);
    return Number(changes);
  }

  async health(): Promise<drivers.Health> {
    const startedMs = performance.now();
    const { version } = await this.serverInfo();
    return { healthy: true, backend: this.name, latencyMs: performance.now() - startedMs, detail: `SQLite ${version}` };
  }
  async memoryUsage(): Promise<number> {
    return Number(this.#opened().sql(BYTES).get()?.bytes);
  }
  async serverInfo(): Promise<Record<string, string>> {
    return { server: "sqlite", version: String(this.#opened().sql("SELECT sqlite_version() AS it").get()?.it) };
  }
  connections = (): drivers.ConnectionCounts => ({ active: this.#session === undefined ? 0 : 1, idle: 0 });
  async close(): Promise<void> {
    this.#session?.database.close();
    this.#session = undefined;
  }

  #opened(): Session {
    if (this.#session === undefined) throw closed();
    return this.#session;
  }
  #scanned(session: Session, row: Columns): Buffer {
    const key = session.keyOf(row);
    try {
      return session.valueOf(key, { stored: asBuffer(row.value), expiresAtMs: 0 });
    } catch (error) {
      throw drivers.placeError(error, "scan", key, this.name);
    }
  }
}

const closed = (): ClosedError => new ClosedError("the store is not open", { backend: "sqlite" });

function asBuffer(bytes: unknown): Buffer {
  const { buffer, byteOffset, length } = bytes as Uint8Array;
  return Buffer.from(buffer, byteOffset, length);
}
