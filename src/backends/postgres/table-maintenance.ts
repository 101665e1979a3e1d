import type { TableMaintenance as Maintenance, TableStats } from "../row-store.js";
import { noticeOf } from "./change-notices.js";
import type { ControlPlane } from "./control-plane.js";
import type { ControlPlanes } from "./control-planes.js";
import type { TableNames } from "./table-names.js";

const ROWS_PER_STATEMENT = 2000;

/** Keeps the table in shape: expired rows, vacuum, sizes. */
export class TableMaintenance implements Maintenance {
  readonly #control: ControlPlane;
  readonly #loads: ControlPlane;
  readonly #tables: TableNames;
  readonly #now: () => string;

  constructor({ calls, loads }: ControlPlanes, tables: TableNames, now: () => string) {
    this.#control = calls;
    this.#loads = loads;
    this.#tables = tables;
    this.#now = now;
  }

  async cleanupExpired(): Promise<number> {
    let removed = 0;
    for (;;) {
      const rows = await this.removeExpired(ROWS_PER_STATEMENT);
      removed += rows;
      if (rows < ROWS_PER_STATEMENT) return removed;
    }
  }

  /**
   * Rows that somebody is about to write are passed over: they are no longer expired then, and nobody waits for this.
   * The rows of all engines that share the table are meant: what has expired is absent for every one of them.
   */
  async removeExpired(limit: number): Promise<number> {
    const [row] = await this.#control.change<{ removed: number }>(
      "cleanupExpired",
      `WITH due AS MATERIALIZED (
         SELECT key FROM ${this.#tables.entries} WHERE expires_at <= ${this.#now()} ORDER BY expires_at LIMIT ${limit}
         FOR UPDATE SKIP LOCKED),
       gone AS (DELETE FROM ${this.#tables.entries} t USING due WHERE t.key = due.key AND t.expires_at <= ${this.#now()}
         AND ${noticeOf(this.#tables, "array(SELECT key FROM due)")} RETURNING 1)
       SELECT count(*)::int4 AS removed FROM gone`,
    );
    return row!.removed;
  }

  async vacuum(): Promise<void> {
    await this.#loads.query("vacuum", `VACUUM (ANALYZE) ${this.#tables.entries}`);
  }

  async tableStats(): Promise<TableStats> {
    const [row] = await this.#control.query<Record<string, string | Date | null>>(
      "tableStats",
      `SELECT s.n_live_tup::text AS rows, s.n_dead_tup::text AS dead_rows,
         (SELECT count(*) FROM ${this.#tables.entries} WHERE expires_at <= ${this.#now()})::text AS expired_rows,
         pg_table_size(c.oid)::text AS table_bytes, pg_indexes_size(c.oid)::text AS index_bytes,
         coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)::text AS toast_bytes,
         pg_total_relation_size(c.oid)::text AS total_bytes,
         greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum_at,
         greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze_at
       FROM pg_class c JOIN pg_stat_all_tables s ON s.relid = c.oid WHERE c.oid = $1::regclass`,
      [this.#tables.entries],
    );
    const indexes = await this.#control.query<{ name: string; bytes: string }>(
      "tableStats",
      `SELECT i.indexrelid::regclass::text AS name, pg_relation_size(i.indexrelid)::text AS bytes
       FROM pg_index i WHERE i.indrelid = $1::regclass ORDER BY 1`,
      [this.#tables.entries],
    );
    const stats = row!;
    const toastBytes = Number(stats.toast_bytes);
    return {
      rows: Number(stats.rows),
      deadRows: Number(stats.dead_rows),
      expiredRows: Number(stats.expired_rows),
      tableBytes: Number(stats.table_bytes) - toastBytes,
      indexBytes: Number(stats.index_bytes),
      toastBytes,
      totalBytes: Number(stats.total_bytes),
      indexes: Object.fromEntries(indexes.map(({ name, bytes }) => [name, Number(bytes)])),
      lastVacuumAt: stats.last_vacuum_at as Date | null,
      lastAnalyzeAt: stats.last_analyze_at as Date | null,
    };
  }
}
