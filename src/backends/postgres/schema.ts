import type { Client, QueryResult } from "pg";
import { BackendError, type StateError, TimeoutError, UnsupportedOperationError } from "../../core/errors.js";
import { noticeSchema } from "./change-notices.js";
import { BACKEND } from "./errors.js";
import { type TableNames, tableNames } from "./table-names.js";

/** "millrace" in hexadecimal: whoever migrates holds it until the transaction ends. */
const MIGRATION_LOCK = "x'6d696c6c72616365'::bigint";
/** The server gives up before this side does, and says why. */
const SERVER_SHARE = 0.9;

type Ask = (text: string, values?: readonly unknown[]) => Promise<QueryResult<Record<string, unknown>>>;

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
 * @param deadlineMs when it must be done, whoever holds a lock; monotonic ms
 * @throws UnsupportedOperationError (`ERR_FORMAT_VERSION`) if a newer release has been here; what the server says is
 *   thrown as it is. The transaction is left open then: the connection is to be closed.
 */
export async function migrate(client: Client, schema: string | undefined, deadlineMs: number): Promise<void> {
  const tables = tableNames(schema);
  const ask: Ask = (text, values = []) => {
    const query = { text, values: [...values], query_timeout: Math.max(1, Math.ceil(deadlineMs - performance.now())) };
    return client.query<Record<string, unknown>>(query);
  };
  const limitMs = Math.max(1, Math.floor((deadlineMs - performance.now()) * SERVER_SHARE));
  await ask(`BEGIN; SET LOCAL statement_timeout = ${limitMs}`);
  // Whoever finds everything in place needs no right to create anything.
  if ((await currentVersion(ask, tables)) !== SCHEMA_VERSION) await bringUp(ask, schema, tables);
  await ask("COMMIT");
}

async function bringUp(ask: Ask, schema: string | undefined, tables: TableNames): Promise<void> {
  await ask(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
  // To create one that is there asks for the right to create it all the same.
  if (schema !== undefined && !(await isThere(ask, "to_regnamespace", `"${schema}"`))) {
    await ask(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
  }
  await ask(
    `CREATE TABLE IF NOT EXISTS ${tables.versions} (
      version integer NOT NULL PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  const from = (await currentVersion(ask, tables)) ?? 0;
  for (let version = from + 1; version <= SCHEMA_VERSION; version++) {
    for (const statement of MIGRATIONS[version - 1]!(tables)) await ask(statement);
    await ask(`INSERT INTO ${tables.versions} (version) VALUES ($1)`, [version]);
  }
}

/** undefined: there is no table of versions. */
async function currentVersion(ask: Ask, { versions }: TableNames): Promise<number | undefined> {
  if (!(await isThere(ask, "to_regclass", versions))) return undefined;
  const { rows } = await ask(`SELECT max(version) AS version FROM ${versions}`);
  const version = Number(rows[0]?.version ?? 0);
  if (version <= SCHEMA_VERSION) return version;
  throw new UnsupportedOperationError(
    `the tables have version ${version}, a newer release's; this one knows up to ${SCHEMA_VERSION}`,
    { reason: "ERR_FORMAT_VERSION", backend: BACKEND },
  );
}

async function isThere(ask: Ask, lookUp: "to_regclass" | "to_regnamespace", name: string): Promise<boolean> {
  const { rows } = await ask(`SELECT ${lookUp}($1) IS NOT NULL AS found`, [name]);
  return rows[0]?.found === true;
}

/** What becomes of the failure of a migration. */
export function migrationError(failure: StateError): StateError {
  const { reason, retryable, code, message } = failure;
  if (code !== "BACKEND" && code !== "TIMEOUT") return failure;
  const details = { backend: BACKEND, cause: failure, retryable, ...(reason === undefined ? {} : { reason }) };
  return code === "BACKEND"
    ? new BackendError(`the tables could not be created or migrated: ${message}`, details)
    : new TimeoutError("the tables are locked, or took longer to migrate than timeouts.connectMs", details);
}
