import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { from as copyFrom } from "pg-copy-streams";
import { crc32 } from "../../core/crc32.js";
import { InvalidArgumentError, StateError } from "../../core/errors.js";
import { keyBytes } from "../../core/key.js";
import type { DriverContext } from "../contract.js";
import { placeError } from "../located-error.js";
import type { BulkEntry, BulkLoading } from "../row-store.js";
import { noticeOf } from "./change-notices.js";
import type { ControlPlane } from "./control-plane.js";
import { BACKEND } from "./errors.js";
import type { TableNames } from "./table-names.js";

/** `now()` is when the transaction began, and a load takes its time: lifetimes count from when entries come to be. */
const TIME_OF_STATEMENT = "clock_timestamp()";
const CHUNK_BYTES = 256 * 1024;
/** Signature, flags and the length of an extension that is not there. */
const HEADER = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
const TRAILER = Buffer.from([0xff, 0xff]);
const FIELDS = 3;

export interface BulkLoadOptions {
  /** The server's time as an SQL expression; default: its clock. */
  readonly now?: (() => string) | undefined;
  /** Resolves when nothing that was sent earlier can come after what is written now. */
  readonly beforeWriting: () => Promise<void>;
  /** Entries may have changed. */
  readonly onWritten: () => void;
}

/**
 * Many entries by COPY: in binary into a table that only this transaction sees, from there over what is there. Equal
 * keys are found by the server, so that no key is kept here.
 */
export class BulkLoad implements BulkLoading {
  readonly #control: ControlPlane;
  readonly #context: DriverContext;
  readonly #tables: TableNames;
  readonly #options: BulkLoadOptions;

  constructor(control: ControlPlane, context: DriverContext, tables: TableNames, options: BulkLoadOptions) {
    this.#control = control;
    this.#context = context;
    this.#tables = tables;
    this.#options = options;
  }

  async bulkLoad(entries: AsyncIterable<BulkEntry>): Promise<number> {
    const { now = () => TIME_OF_STATEMENT, beforeWriting, onWritten } = this.#options;
    let isCommitting = false;
    try {
      return await this.#control.withClient("bulkLoad", async (client) => {
        // A load takes as long as it is large; the limits are meant for operations.
        await client.query("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0");
        await client.query(
          `CREATE TEMPORARY TABLE millrace_load (place bigserial, key bytea NOT NULL, value bytea NOT NULL, ttl int8)
           ON COMMIT DROP`,
        );
        await client.query("ALTER TABLE millrace_load ALTER COLUMN value SET STORAGE EXTERNAL");
        const copy = client.query(copyFrom("COPY millrace_load (key, value, ttl) FROM STDIN (FORMAT binary)"));
        const encoded = this.#encoded(fromCaller(entries));
        await pipeline(Readable.from(encoded, { objectMode: false, highWaterMark: CHUNK_BYTES }), copy);
        await beforeWriting();
        const { rowCount } = await client.query(
          `WITH clock AS MATERIALIZED (SELECT ${now()} AS now)
           INSERT INTO ${this.#tables.entries} (key, value, expires_at, updated_at)
           SELECT DISTINCT ON (key) key, value, CASE WHEN ttl > 0 THEN clock.now + ttl * interval '1 ms' END, clock.now
           FROM millrace_load, clock WHERE ${noticeOf(this.#tables, "NULL")} ORDER BY key, place DESC
           ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at, metadata = NULL,
             changed_at = NULL, updated_at = excluded.updated_at`,
        );
        isCommitting = true;
        await client.query("COMMIT");
        return rowCount ?? 0;
      });
    } catch (error) {
      throw placeError(error, "bulkLoad", undefined, BACKEND, isCommitting ? "unknown" : "not-applied");
    } finally {
      onWritten();
    }
  }

  async *#encoded(entries: AsyncIterable<BulkEntry>): AsyncGenerator<Buffer> {
    const { codec, keyPrefix } = this.#context;
    const prefix = Buffer.from(keyPrefix, "utf8");
    let parts: Buffer[] = [HEADER];
    let bytes = HEADER.length;
    for await (const { key, value, ttlMs } of entries) {
      const stored = Buffer.concat([prefix, keyBytes(key)]);
      const encoded = codec.encode(crc32(stored), value);
      const head = Buffer.allocUnsafe(6 + stored.length + 4);
      head.writeInt16BE(FIELDS, 0);
      head.writeInt32BE(stored.length, 2);
      stored.copy(head, 6);
      head.writeInt32BE(encoded.length, 6 + stored.length);
      const tail = Buffer.allocUnsafe(12);
      tail.writeInt32BE(8, 0);
      tail.writeBigInt64BE(BigInt(ttlMs), 4);
      parts.push(head, encoded, tail);
      bytes += head.length + encoded.length + tail.length;
      if (bytes < CHUNK_BYTES) continue;
      yield Buffer.concat(parts, bytes);
      parts = [];
      bytes = 0;
    }
    parts.push(TRAILER);
    yield Buffer.concat(parts);
  }
}

/** @throws InvalidArgumentError (`ERR_SOURCE`) with what the caller's own iterable threw as its cause */
async function* fromCaller(entries: AsyncIterable<BulkEntry>): AsyncGenerator<BulkEntry> {
  try {
    yield* entries;
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    const message = `the entries could not be read: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new InvalidArgumentError(message, { reason: "ERR_SOURCE", cause });
  }
}
