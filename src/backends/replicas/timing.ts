/** Between an answer about a position and the next question. */
export const POSITION_POLL_MS = 50;
/** A replica is read while it has everything that the primary had so long ago. */
export const DEFAULT_MAX_LAG_MS = 1000;

/** However little lag is allowed, a replica has so long to answer. */
const SHORTEST_PATIENCE_MS = 100;
/** What it leaves of an operation's time is the primary's, which is asked next. */
const PATIENCE_SHARE = 0.25;

/** Milliseconds after which what a replica has not answered is asked of the primary. */
export function patienceFor(maxLagMs: number, operationTimeoutMs: number): number {
  return Math.max(SHORTEST_PATIENCE_MS, Math.min(maxLagMs, operationTimeoutMs * PATIENCE_SHARE));
}
