import type { BackendAddress } from "../config/backend-url.js";
import { parsePostgresUrl } from "../config/postgres-url.js";
import { UnsupportedOperationError } from "../core/errors.js";
import type { Driver } from "./contract.js";
import type { TlsSettings } from "./redis/tls-material.js";

export interface BackendSettings {
  readonly replicas?: readonly BackendAddress[];
  /** Milliseconds that a replica may be behind to be read. */
  readonly replicaLagMs?: number;
  readonly pool: {
    readonly min: number;
    readonly max: number;
    readonly idleMs: number;
    readonly busyPollMs?: number;
  };
  readonly tls?: TlsSettings;
  readonly retry: { readonly baseDelayMs: number; readonly maxDelayMs: number; readonly jitter: number };
}

/** The driver for an address. Adapters load on demand, so that one store's library is never the price of another. */
export async function openBackend(address: BackendAddress, settings: BackendSettings): Promise<Driver> {
  switch (address.kind) {
    case "memory":
      return (await import("./memory/memory-driver.js")).createMemoryDriver();
    case "lmdb":
      return (await import("./lmdb/lmdb-driver.js")).createLmdbDriver(address);
    case "redis":
      return (await import("./redis/redis-driver.js")).createRedisDriver(address, {
        ...settings,
        replicas: (settings.replicas ?? []).filter((replica) => replica.kind === "redis"),
      });
    case "postgres":
      return (await import("./postgres/postgres-driver.js")).createPostgresDriver({
        address: parsePostgresUrl(address.url),
        pool: settings.pool,
        retry: settings.retry,
        replicas: (settings.replicas ?? []).flatMap((replica) =>
          replica.kind === "postgres" ? [parsePostgresUrl(replica.url)] : [],
        ),
        ...(settings.replicaLagMs === undefined ? {} : { maxLagMs: settings.replicaLagMs }),
      });
  }
  throw new UnsupportedOperationError(`backend ${address.kind} is not available in this release`, {
    backend: address.kind,
    reason: "ERR_BACKEND_UNAVAILABLE",
  });
}
