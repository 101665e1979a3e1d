import { noticeOf } from "./change-notices.js";
import { millisecondsOf } from "./server-clock.js";
import type { TableNames } from "./table-names.js";
import { type EncodedStatement, encodedStatement } from "./wire/encoded-statement.js";

/*
 * Every statement takes whole batches as arrays. Rows are locked in the order of their keys, whatever the statement,
 * so that batches of several engines wait for each other and, over rows that are there, never in a circle. Over keys
 * that are not there they may, where one batch inserts them behind rows that it has locked before: the server ends the
 * circle then, and the batch that it refuses is sent again. Absent and expired are the same.
 *
 * Reads ask by subquery, once per key: their rows come in the order of the keys, which a join does not promise, and the
 * planner cannot choose to read the whole table. A value beyond the limit comes one byte longer than the limit, so
 * that it is known to be one and neither sent nor allocated.
 *
 * What writes tells those who listen (`noticeOf`).
 */
export interface Statements {
  /** $1 keys, $2 limit of stored bytes. One row a key: value or null. */
  readonly read: EncodedStatement;
  /**
   * The same of a replica, whose clock is not the one by which lifetimes end: $3 and $4 are between what the primary's is
   * ahead of it (float8, ms). An empty value where that leaves open whether the lifetime is over.
   */
  readonly readCopy: EncodedStatement;
  /** $1 keys. One row a key: true or null. */
  readonly probe: EncodedStatement;
  /** $1 keys. One row a key: milliseconds left (float8, negative: never expires) or null. */
  readonly timeToLive: EncodedStatement;
  /** $1 keys. A row for each that was there: its index from 1 (int8), whether it was live. */
  readonly remove: EncodedStatement;
  /** $1 keys, $2 values. */
  readonly put: EncodedStatement;
  /** $1 keys, $2 values, $3 lifetimes in ms (int8, 0: none), $4 metadata as JSON or null. */
  readonly putFully: EncodedStatement;
  /**
   * $1 keys, $2 whether the value is wanted, $3 limit. A row for each that is there, now locked: index from 1 (int8),
   * live, expiry in ms (float8) or null, value or null where it is not wanted.
   */
  readonly lock: EncodedStatement;
  /** The server's clock in ms (float8). */
  readonly clock: EncodedStatement;
  /** $1 keys, $2 values, $3 expiry in ms (float8) or null. Fails where a key is there. */
  readonly insert: EncodedStatement;
  /** $1 keys, $2 values or null to keep it, $3 expiry in ms or null, $4 whether the metadata stays. For locked rows. */
  readonly update: EncodedStatement;
  /** $1 keys. For locked rows. */
  readonly erase: EncodedStatement;
  readonly begin: EncodedStatement;
  readonly commit: EncodedStatement;
  readonly rollback: EncodedStatement;
  readonly savepoint: EncodedStatement;
  readonly release: EncodedStatement;
  readonly rollbackTo: EncodedStatement;
}

/** @param now the server's time as an expression; another than `now()` is for tests */
function statementsFor(tables: TableNames, now: string): Statements {
  const table = tables.entries;
  const told = noticeOf(tables, "$1");
  const liveAt = (time: string): string => `(t.expires_at IS NULL OR t.expires_at > ${time})`;
  const live = liveAt(now);
  const limited = (limit: string): string =>
    `CASE WHEN octet_length(t.value) <= ${limit} THEN t.value ELSE substring(t.value FROM 1 FOR ${limit} + 1) END`;
  const texts: Record<keyof Statements, string> = {
    read: `SELECT (SELECT ${limited("$2::int4")} FROM ${table} t WHERE t.key = k.key AND ${live})
      FROM unnest($1::bytea[]) k(key)`,
    readCopy: `SELECT (SELECT CASE WHEN ${liveAt(`${now} + $4::float8 * interval '1 ms'`)} THEN ${limited("$2::int4")} ELSE '' END
      FROM ${table} t WHERE t.key = k.key AND ${liveAt(`${now} + $3::float8 * interval '1 ms'`)}) FROM unnest($1::bytea[]) k(key)`,
    probe: `SELECT (SELECT true FROM ${table} t WHERE t.key = k.key AND ${live}) FROM unnest($1::bytea[]) k(key)`,
    timeToLive: `SELECT (SELECT CASE WHEN isfinite(t.expires_at) THEN ${millisecondsOf(`(t.expires_at - ${now})`)} ELSE -1 END FROM ${table} t
      WHERE t.key = k.key AND ${live}) FROM unnest($1::bytea[]) k(key)`,
    remove: `WITH locked AS MATERIALIZED (
        SELECT t.key, k.i FROM unnest($1::bytea[]) WITH ORDINALITY k(key, i) JOIN ${table} t ON t.key = k.key
        ORDER BY t.key FOR UPDATE OF t)
      DELETE FROM ${table} t USING locked WHERE t.key = locked.key AND ${told} RETURNING locked.i, ${live}`,
    put: `INSERT INTO ${table} (key, value, updated_at)
      SELECT u.key, u.value, ${now} FROM unnest($1::bytea[], $2::bytea[]) u(key, value) WHERE ${told} ORDER BY u.key
      ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = NULL, metadata = NULL, changed_at = NULL,
        updated_at = excluded.updated_at`,
    putFully: `INSERT INTO ${table} (key, value, expires_at, metadata, changed_at, updated_at)
      SELECT u.key, u.value, CASE WHEN u.ttl > 0 THEN ${now} + u.ttl * interval '1 ms' END, u.metadata::jsonb,
        CASE WHEN u.metadata IS NOT NULL THEN ${now} END, ${now}
      FROM unnest($1::bytea[], $2::bytea[], $3::int8[], $4::text[]) u(key, value, ttl, metadata) WHERE ${told} ORDER BY u.key
      ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at,
        metadata = excluded.metadata, changed_at = excluded.changed_at, updated_at = excluded.updated_at`,
    lock: `SELECT k.i, ${live}, ${millisecondsOf("t.expires_at")}, CASE WHEN k.wanted THEN ${limited("$3::int4")} END
      FROM unnest($1::bytea[], $2::bool[]) WITH ORDINALITY k(key, wanted, i) JOIN ${table} t ON t.key = k.key
      ORDER BY t.key FOR UPDATE OF t`,
    clock: `SELECT ${millisecondsOf(now)}`,
    insert: `INSERT INTO ${table} (key, value, expires_at, updated_at)
      SELECT u.key, u.value, to_timestamp(u.expiry / 1000), ${now}
      FROM unnest($1::bytea[], $2::bytea[], $3::float8[]) u(key, value, expiry) WHERE ${told} ORDER BY u.key`,
    update: `UPDATE ${table} t SET value = coalesce(u.value, t.value), expires_at = to_timestamp(u.expiry / 1000),
        metadata = CASE WHEN u.keeps THEN t.metadata END,
        changed_at = CASE WHEN u.keeps AND t.metadata IS NOT NULL THEN ${now} END, updated_at = ${now}
      FROM unnest($1::bytea[], $2::bytea[], $3::float8[], $4::bool[]) u(key, value, expiry, keeps)
      WHERE t.key = u.key AND ${told}`,
    erase: `DELETE FROM ${table} WHERE key = ANY ($1::bytea[]) AND ${told}`,
    begin: "BEGIN",
    commit: "COMMIT",
    rollback: "ROLLBACK",
    savepoint: "SAVEPOINT millrace_part",
    release: "RELEASE SAVEPOINT millrace_part",
    rollbackTo: "ROLLBACK TO SAVEPOINT millrace_part",
  };
  const encoded = Object.entries(texts).map(([name, sql]) => [name, encodedStatement(sql.replace(/\s+/g, " "))]);
  return Object.fromEntries(encoded) as Record<keyof Statements, EncodedStatement>;
}

/** Texts are made once, unless the server's time is asked for in another way. */
export function cachedStatements(tables: TableNames, now: () => string): () => Statements {
  let expression = now();
  let statements = statementsFor(tables, expression);
  return () => {
    const current = now();
    if (current !== expression) {
      expression = current;
      statements = statementsFor(tables, expression);
    }
    return statements;
  };
}
