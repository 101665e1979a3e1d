/** A server that is back is found within about this, however long it was away. */
const RECONNECT_CEILING_MS = 1000;
/** However short the waits of `retry` are: one that is away must not be asked in a loop. */
const RECONNECT_FLOOR_MS = 10;
/**
 * A server that refuses us (a password, a certificate) is asked again after so long, then after twice that, and so on:
 * soon enough for a password that is being changed, too seldom for a log to fill or an account to be locked.
 */
const REFUSED_WAIT_MS = 250;
const REFUSED_CEILING_MS = 10_000;

/** Waits between attempts to connect: doubled each time, with a random share taken off. */
export interface ReconnectWaits {
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly jitter: number;
}

/**
 * @param attempt how many have failed since the connection was lost, or since the server began to refuse us
 * @param isRefused whether the server answers and will not have us
 */
export function reconnectDelayMs(waits: ReconnectWaits, attempt: number, isRefused: boolean): number {
  const spread = 1 - waits.jitter * Math.random();
  if (isRefused) return Math.min(REFUSED_CEILING_MS, REFUSED_WAIT_MS * 2 ** (attempt - 1)) * spread;
  if (attempt === 0) return Math.random() * waits.baseDelayMs;
  const doubled = Math.max(RECONNECT_FLOOR_MS, waits.baseDelayMs) * 2 ** attempt;
  return Math.max(RECONNECT_FLOOR_MS, Math.min(waits.maxDelayMs, RECONNECT_CEILING_MS, doubled) * spread);
}
