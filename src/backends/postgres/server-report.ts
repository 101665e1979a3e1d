import type { Health } from "../contract.js";
import type { ControlPlane } from "./control-plane.js";
import type { ControlPlanes } from "./control-planes.js";
import { BACKEND } from "./errors.js";
import type { LanePool } from "./lane-pool.js";
import type { TableNames } from "./table-names.js";

/** What the server says of itself, over the control plane. */
export class ServerReport {
  readonly #watch: ControlPlane;
  readonly #calls: ControlPlane;
  readonly #tables: TableNames;
  readonly #pool: LanePool;
  readonly #place: string;

  /** @param place host and port, for people */
  constructor({ watch, calls }: ControlPlanes, tables: TableNames, pool: LanePool, place: string) {
    this.#watch = watch;
    this.#calls = calls;
    this.#tables = tables;
    this.#pool = pool;
    this.#place = place;
  }

  async health(): Promise<Health> {
    const startedMs = performance.now();
    const since = (): number => performance.now() - startedMs;
    try {
      const [row] = await this.#watch.query<{ version: string; replica: boolean }>(
        "healthCheck",
        "SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS replica",
      );
      const { open, wanted } = this.#pool;
      const missing = open < wanted ? `, ${wanted - open} of ${wanted} reconnecting` : "";
      const role = row!.replica ? ", a replica: it takes no writes" : "";
      return {
        healthy: (open > 0 || wanted === 0) && !row!.replica,
        backend: BACKEND,
        latencyMs: since(),
        detail: `${this.#place} PostgreSQL ${row!.version}${role}${missing}`,
      };
    } catch (error) {
      return { healthy: false, backend: BACKEND, latencyMs: since(), detail: (error as Error).message };
    }
  }

  async memoryUsage(): Promise<number> {
    const [row] = await this.#calls.query<{ bytes: string }>(
      "memoryUsage",
      "SELECT pg_total_relation_size($1::regclass)::text AS bytes",
      [this.#tables.entries],
    );
    return Number(row!.bytes);
  }

  async serverInfo(): Promise<Record<string, string>> {
    const [row] = await this.#calls.query<Record<string, string>>(
      "serverInfo",
      `SELECT 'postgres' AS server, current_setting('server_version') AS version, current_database()::text AS database,
        current_user::text AS "user", pg_is_in_recovery()::text AS replica,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('max_connections') AS max_connections, pg_postmaster_start_time()::text AS started_at,
        (SELECT count(*) FROM ${this.#tables.entries})::text AS entries,
        (SELECT max(version) FROM ${this.#tables.versions})::text AS schema_version`,
    );
    return { ...row! };
  }
}
