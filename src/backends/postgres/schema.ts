import type { PoolClient } from "pg";
import { BackendError, UnsupportedOperationError } from "../../core/errors.js";
import { noticeSchema } from "./change-notices.js";
import { BACKEND } from "./errors.js";
import { type TableNames, tableNames } from "./table-names.js";

/** "millrace" in hexadecimal: whoever migrates holds it until the transaction ends. */
const MIGRATION_LOCK = "x'6d696c6c72616365'::bigint";
const UNDEFINED_TABLE = "42P01";

/**
 * Statements that lead from each version to the next. A version that was released is never changed; the last one's
 * number is what this release reads and writes.
 */
const MIGRATIONS: readonly ((tables: TableNames) => readonly string[])[] = [
  ({ entries }) => [
    `CREATE TABLE ${entries} (
      key bytea NOT NULL PRIMARY KEY,
      value bytea NOT NULL,
      expires_at timestamptz,
      updated_at timestamptz NOT NULL DEFAULT now()
    )`,
    // Values come compressed where that pays; the server need not try again.
    `ALTER TABLE ${entries} ALTER COLUMN value SET STORAGE EXTERNAL`,
    // Entries are written over and over: dead rows are to go long before a fifth of the table consists of them.
    `ALTER TABLE ${entries} SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)`,
    `CREATE INDEX millrace_entries_expires_at ON ${entries} (expires_at) WHERE expires_at IS NOT NULL`,
  ],
  ({ entries }) => [
    `ALTER TABLE ${entries} ADD COLUMN metadata jsonb`,
    `CREATE INDEX millrace_entries_metadata ON ${entries} USING gin (metadata jsonb_path_ops)
      WHERE metadata IS NOT NULL`,
    // Null for most rows, before and after a put: a change of an indexed column would cost each put entries in every
    // index, by half dearer, where the row could have stayed on its page.
    `ALTER TABLE ${entries} ADD COLUMN changed_at timestamptz
      GENERATED ALWAYS AS (CASE WHEN metadata IS NOT NULL THEN updated_at END) STORED`,
    `CREATE INDEX millrace_entries_changed_at ON ${entries} (changed_at) WHERE changed_at IS NOT NULL`,
  ],
  ({ entries }) => [
    // Written by the statements that write metadata: a generated column is computed for every row, a twentieth of a put.
    `ALTER TABLE ${entries} DROP COLUMN changed_at`,
    `ALTER TABLE ${entries} ADD COLUMN changed_at timestamptz`,
    `UPDATE ${entries} SET changed_at = updated_at WHERE metadata IS NOT NULL`,
    `CREATE INDEX millrace_entries_changed_at ON ${entries} (changed_at) WHERE changed_at IS NOT NULL`,
  ],
  noticeSchema,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the tables to this release's version, creating them if they are not there. Of several engines that come at
 * once one migrates and the others wait.
 *
 * @throws UnsupportedOperationError (`ERR_FORMAT_VERSION`) if a newer release has been here
 */
export async function migrate(client: PoolClient, schema: string | undefined): Promise<void> {
  const tables = tableNames(schema);
  // Whoever finds everything in place needs no right to create anything.
  if ((await currentVersion(client, tables)) === SCHEMA_VERSION) return;
  await client.query("BEGIN");
  try {
    await client.query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    if (schema !== undefined) await client.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${tables.versions} (
        version integer NOT NULL PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
    const from = (await currentVersion(client, tables)) ?? 0;
    for (let version = from + 1; version <= SCHEMA_VERSION; version++) {
      for (const statement of MIGRATIONS[version - 1]!(tables)) await client.query(statement);
      await client.query(`INSERT INTO ${tables.versions} (version) VALUES ($1)`, [version]);
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

/** undefined: there is no table of versions. */
async function currentVersion(client: PoolClient, { versions }: TableNames): Promise<number | undefined> {
  try {
    const { rows } = await client.query<{ version: number | null }>(`SELECT max(version) AS version FROM ${versions}`);
    const version = rows[0]?.version ?? 0;
    if (version <= SCHEMA_VERSION) return version;
    throw new UnsupportedOperationError(
      `the tables have version ${version}, a newer release's; this one knows up to ${SCHEMA_VERSION}`,
      { reason: "ERR_FORMAT_VERSION", backend: BACKEND },
    );
  } catch (error) {
    if ((error as { code?: string }).code === UNDEFINED_TABLE) return undefined;
    throw error;
  }
}

export function migrationError(error: unknown): BackendError {
  const { code, message } = error as Error & { code?: string };
  return new BackendError(`the tables could not be created or migrated: ${message}`, {
    backend: BACKEND,
    cause: error,
    ...(code === undefined ? {} : { reason: code }),
  });
}
