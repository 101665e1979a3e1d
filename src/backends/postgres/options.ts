import type { PostgresAddress } from "../../config/postgres-url.js";

export interface PostgresOptions {
  readonly address: PostgresAddress;
  /**
   * Connections that carry batches: `max` at most, or three if that is less; `min` stay open, and others are closed when
   * they were not needed for `idleMs`. Default: three, kept.
   */
  readonly pool?: { readonly min: number; readonly max: number; readonly idleMs: number };
  /** Waits between attempts to reconnect: doubled each time, with a random share taken off. */
  readonly retry: { readonly baseDelayMs: number; readonly maxDelayMs: number; readonly jitter: number };
  /** Servers that reads may go to. */
  readonly replicas?: readonly PostgresAddress[];
  /** How far behind a replica may be to be read. */
  readonly maxLagMs?: number;
  /** What is sent at once; default: what the server takes. For tests. */
  readonly maxSentBytes?: number;
  /** The server's time as an SQL expression, asked for with each statement; default: `now()`. For tests. */
  readonly now?: () => string;
}
