import type { ValueCodec } from "../../codec/value-codec.js";
import { crc32 } from "../../core/crc32.js";
import { type CanonicalKey, canonicalKeyOfBytes } from "../../core/key.js";
import type { DriverContext, ScanPage } from "../contract.js";
import { placeError } from "../located-error.js";
import { noticeOf } from "./change-notices.js";
import type { ControlPlane } from "./control-plane.js";
import { BACKEND } from "./errors.js";
import { tooLargeError } from "./exchanges.js";
import { windowOf } from "./page-window.js";
import type { TableNames } from "./table-names.js";
import { ValueColumns } from "./value-columns.js";

const PAGE_KEYS = 512;
const KEYS_CLEARED_PER_STATEMENT = 5000;

interface FoundRow {
  readonly key: Buffer;
}

/** Goes through all keys of a prefix in their order, page by page, each page a statement of its own. */
export class TableScans {
  readonly #control: ControlPlane;
  readonly #context: DriverContext;
  readonly #tables: TableNames;
  readonly #now: () => string;
  readonly #prefixBytes: number;
  readonly #maxStoredBytes: number;
  readonly #columns: ValueColumns;

  constructor(
    control: ControlPlane,
    context: DriverContext,
    tables: TableNames,
    now: () => string,
    maxStoredBytes: number,
  ) {
    this.#control = control;
    this.#context = context;
    this.#tables = tables;
    this.#now = now;
    this.#prefixBytes = Buffer.byteLength(context.keyPrefix);
    this.#maxStoredBytes = maxStoredBytes;
    this.#columns = new ValueColumns(maxStoredBytes);
  }

  async *pages(prefix: string, withValues: boolean): AsyncGenerator<ScanPage> {
    const { from, until } = this.#range(prefix);
    let after: Buffer | undefined;
    for (;;) {
      const rows = await this.#page(from, until, after, withValues);
      const last = rows[rows.length - 1];
      if (last === undefined) return;
      after = last.key;
      const keys = rows.map((row) => this.canonical(row.key));
      yield withValues ? { keys, values: rows.map((row, index) => this.#valueOf(row, keys[index]!)) } : { keys };
    }
  }

  async clear(prefix: string): Promise<number> {
    const { from, until } = this.#range(prefix);
    const live = `(t.expires_at IS NULL OR t.expires_at > ${this.#now()})`;
    const bounds = until === undefined ? "t.key >= $1" : "t.key >= $1 AND t.key < $3";
    const text = `WITH locked AS MATERIALIZED (
        SELECT t.key FROM ${this.#tables.entries} t WHERE ${bounds} ORDER BY t.key LIMIT $2 FOR UPDATE),
      gone AS (DELETE FROM ${this.#tables.entries} t USING locked WHERE t.key = locked.key AND ${noticeOf(this.#tables, "NULL")}
        RETURNING ${live} AS live)
      SELECT count(*)::int4 AS rows, count(*) FILTER (WHERE live)::int4 AS live FROM gone`;
    let cleared = 0;
    for (let begun = false; ; begun = true) {
      const values = [from, KEYS_CLEARED_PER_STATEMENT, ...(until === undefined ? [] : [until])];
      try {
        const [row] = await this.#control.change<{ rows: number; live: number }>("clear", text, values);
        cleared += row!.live;
        if (row!.rows < KEYS_CLEARED_PER_STATEMENT) return cleared;
      } catch (error) {
        throw placeError(error, "clear", undefined, BACKEND, begun ? "unknown" : undefined);
      }
    }
  }

  canonical(stored: Buffer): CanonicalKey {
    return canonicalKeyOfBytes(stored.subarray(this.#prefixBytes));
  }

  #page(
    from: Buffer,
    until: Buffer | undefined,
    after: Buffer | undefined,
    withValues: boolean,
  ): Promise<readonly FoundRow[]> {
    const values: unknown[] = [after ?? from];
    let where = `t.key ${after === undefined ? ">=" : ">"} $1 AND (t.expires_at IS NULL OR t.expires_at > ${this.#now()})`;
    if (until !== undefined) {
      values.push(until);
      where += " AND t.key < $2";
    }
    const page = (columns: string): string =>
      `SELECT ${columns} FROM ${this.#tables.entries} t WHERE ${where} ORDER BY t.key LIMIT ${PAGE_KEYS}`;
    if (!withValues) return this.#control.query("scan", page("t.key"), values);
    const columns = `q.key, ${this.#columns.sql("q.value")}`;
    return this.#control.query("entries", windowOf(columns, "octet_length(p.value)", page("t.key, t.value")), values);
  }

  #valueOf(row: FoundRow, key: CanonicalKey): Buffer {
    const codec: ValueCodec = this.#context.codec;
    try {
      const bytes = this.#columns.valueOf(row);
      if (bytes.length > this.#maxStoredBytes) throw tooLargeError(this.#context.maxValueBytes);
      return codec.decode(bytes, 0, bytes.length, crc32(row.key));
    } catch (error) {
      throw placeError(error, "entries", key, BACKEND);
    }
  }

  #range(prefix: string): { from: Buffer; until: Buffer | undefined } {
    const from = Buffer.from(this.#context.keyPrefix + prefix, "utf8");
    return { from, until: successorOf(from) };
  }
}

/** The first byte string behind all that begin with this one; undefined: there is none. */
export function successorOf(prefix: Buffer): Buffer | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const next = Buffer.from(prefix.subarray(0, length));
  next[length - 1]!++;
  return next;
}
