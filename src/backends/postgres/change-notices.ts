import type { TableNames } from "./table-names.js";

/** Of more keys than this it is told that everything has changed. */
const MAX_KEYS = 2000;
/** The server takes 7999 bytes in a notification. */
const MAX_NOTICE_BYTES = 7900;
/** What a notification has room for. No engine has longer keys: a row that has one is somebody else's. */
const MAX_KEY_BYTES = Math.floor((MAX_NOTICE_BYTES - 1) / 2);
export const EVERYTHING = "*";

/** The channel of a table's changes, as an expression. */
export function channelOf({ entries }: TableNames): string {
  return `('millrace_' || '${entries}'::regclass::oid::text)`;
}

/**
 * A condition that is always true and, evaluated once a statement, tells those who listen which keys it writes. Where
 * nobody listens that comes to a look into an empty table. The table is locked by it as by any reader, until the
 * transaction ends: that is what `ChangeFeed` begins to listen by.
 *
 * @param keys an expression of type `bytea[]`; null: everything
 */
export function noticeOf({ listeners, tellChanges }: TableNames, keys: string): string {
  return `(SELECT CASE WHEN EXISTS (SELECT FROM ${listeners}) THEN ${tellChanges}(${keys}) END) IS DISTINCT FROM -1`;
}

/** Keys travel in hexadecimal, many in one notification; also for triggers that others put on the table. */
export function noticeSchema(tables: TableNames): readonly string[] {
  const { listeners, tellChanges } = tables;
  return [
    // A crash of the server ends all who listen, and empties such a table.
    `CREATE UNLOGGED TABLE ${listeners} (
      pid integer NOT NULL PRIMARY KEY, since timestamptz NOT NULL DEFAULT now())`,
    // All who write look into it.
    `GRANT SELECT ON ${listeners} TO PUBLIC`,
    `CREATE FUNCTION ${tellChanges}(keys bytea[]) RETURNS bigint LANGUAGE sql AS $$
      SELECT count(pg_notify(${channelOf(tables)}, payload)) FROM (
        SELECT '${EVERYTHING}' AS payload WHERE keys IS NULL OR cardinality(keys) > ${MAX_KEYS}
        UNION ALL
        SELECT string_agg(encode(key, 'hex'), ' ') FROM (
          SELECT key, (row_number() OVER () - 1) / (${MAX_NOTICE_BYTES} / (max(octet_length(key)) OVER () * 2 + 1)) AS part
          FROM unnest(keys) k(key) WHERE octet_length(key) <= ${MAX_KEY_BYTES}) q
        WHERE cardinality(keys) <= ${MAX_KEYS} GROUP BY part) p
    $$`,
  ];
}
