import type { PostgresAddress } from "../../config/postgres-url.js";
import type { ConnectionCounts } from "../contract.js";
import { ControlPlane, type ControlSettings } from "./control-plane.js";
import { END_PROCESS, type SessionFacts } from "./opened-client.js";
import type { TlsChoice } from "./tls-options.js";

const CALL_CONNECTIONS = 2;
const LOAD_CONNECTIONS = 4;
const ANY_TIME = 0;

/**
 * The connections beside the lanes, apart by how long they are lent: what takes as long as there is data keeps nothing
 * waiting that the engine has to know in time.
 */
export class ControlPlanes {
  /** Whether a lost session has ended, health, positions. */
  readonly watch: ControlPlane;
  /** Scans, clear, metadata, administration. */
  readonly calls: ControlPlane;
  /** Bulk loads and VACUUM. */
  readonly loads: ControlPlane;

  constructor(address: PostgresAddress, tls: readonly TlsChoice[], settings: ControlSettings) {
    const { connectTimeoutMs, operationTimeoutMs } = settings;
    this.watch = new ControlPlane(address, tls, { connectTimeoutMs, operationTimeoutMs, maxConnections: 1 });
    this.calls = new ControlPlane(address, tls, { ...settings, maxConnections: CALL_CONNECTIONS });
    this.loads = new ControlPlane(address, tls, {
      connectTimeoutMs,
      operationTimeoutMs: ANY_TIME,
      maxConnections: LOAD_CONNECTIONS,
    });
  }

  get connections(): ConnectionCounts {
    const counts = [this.watch, this.calls, this.loads].map((plane) => plane.connections);
    return {
      active: counts.reduce((sum, { active }) => sum + active, 0),
      idle: counts.reduce((sum, { idle }) => sum + idle, 0),
    };
  }

  /** Ends a server process; resolves to whether it is gone. */
  async endProcess({ pid, startedAt }: SessionFacts): Promise<boolean> {
    return (await this.watch.query("open", END_PROCESS, [pid, startedAt])).length === 0;
  }

  async close(): Promise<void> {
    await Promise.all([this.watch.close(), this.calls.close(), this.loads.close()]);
  }
}
