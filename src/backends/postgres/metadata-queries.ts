import { crc32 } from "../../core/crc32.js";
import { type CanonicalKey, canonicalKeyOfBytes, keyBytes } from "../../core/key.js";
import type { DriverContext } from "../contract.js";
import { placeError } from "../located-error.js";
import type { EntryWithMetadata, Metadata, MetadataAccess } from "../row-store.js";
import type { ControlPlane } from "./control-plane.js";
import { BACKEND } from "./errors.js";
import { tooLargeError } from "./exchanges.js";
import { type WindowRow, windowOf } from "./page-window.js";
import { successorOf } from "./table-scans.js";
import { ValueColumns } from "./value-columns.js";

const PAGE_ROWS = 256;

interface FoundRow {
  readonly key: Buffer;
  readonly metadata: Metadata | null;
}

/** Questions about metadata, each a statement of its own. */
export class MetadataQueries implements MetadataAccess {
  readonly #control: ControlPlane;
  readonly #context: DriverContext;
  readonly #table: string;
  readonly #now: () => string;
  readonly #maxStoredBytes: number;
  readonly #prefix: Buffer;
  readonly #columns: ValueColumns;

  constructor(control: ControlPlane, context: DriverContext, table: string, now: () => string, maxStoredBytes: number) {
    this.#control = control;
    this.#context = context;
    this.#table = table;
    this.#now = now;
    this.#maxStoredBytes = maxStoredBytes;
    this.#columns = new ValueColumns(maxStoredBytes);
    this.#prefix = Buffer.from(context.keyPrefix, "utf8");
  }

  async readWithMetadata(key: CanonicalKey): Promise<EntryWithMetadata | null> {
    const stored = Buffer.concat([this.#prefix, keyBytes(key)]);
    const operation = "getWithMetadata";
    const text = `SELECT t.key, ${this.#columns.sql("t.value")}, t.metadata FROM ${this.#table} t
      WHERE t.key = $1 AND ${this.#live()}`;
    try {
      const [row] = await this.#control.queryInTime<FoundRow>(operation, text, [stored]);
      return row === undefined ? null : this.#entry(row, key);
    } catch (error) {
      throw placeError(error, operation, key, BACKEND, "not-applied");
    }
  }

  async *findByMetadata(
    containment: string,
    prefix: string,
    limit: number,
  ): AsyncGenerator<readonly EntryWithMetadata[]> {
    const from = Buffer.from(this.#context.keyPrefix + prefix, "utf8");
    const until = successorOf(from);
    let left = limit;
    let after: Buffer | undefined;
    while (left > 0) {
      const rows = Math.min(PAGE_ROWS, left);
      const bounds = `t.key ${after === undefined ? ">=" : ">"} $2${until === undefined ? "" : " AND t.key < $3"}`;
      const text = windowOf(
        `q.key, ${this.#columns.sql("q.value")}, q.metadata`,
        "octet_length(p.value) + pg_column_size(p.metadata)",
        `SELECT t.key, t.value, t.metadata FROM ${this.#table} t
          WHERE t.metadata @> $1::jsonb AND ${bounds} AND ${this.#live()} ORDER BY t.key LIMIT ${rows}`,
      );
      const values = [containment, after ?? from, ...(until === undefined ? [] : [until])];
      const found = await this.#control.query<FoundRow & WindowRow>("findByMetadata", text, values);
      const last = found[found.length - 1];
      if (last === undefined) return;
      yield found.map((row) => this.#entry(row, this.#canonical(row.key)));
      if (last.page_rows < rows && last.page_rows === found.length) return;
      after = last.key;
      left -= found.length;
    }
  }

  #entry(row: FoundRow, key: CanonicalKey): EntryWithMetadata {
    try {
      const stored = this.#columns.valueOf(row);
      if (stored.length > this.#maxStoredBytes) throw tooLargeError(this.#context.maxValueBytes);
      const value = this.#context.codec.decode(stored, 0, stored.length, crc32(row.key));
      return { key, value, metadata: row.metadata };
    } catch (error) {
      throw placeError(error, "findByMetadata", key, BACKEND);
    }
  }

  #canonical(stored: Buffer): CanonicalKey {
    return canonicalKeyOfBytes(stored.subarray(this.#prefix.length));
  }

  #live(): string {
    return `(t.expires_at IS NULL OR t.expires_at > ${this.#now()})`;
  }
}
