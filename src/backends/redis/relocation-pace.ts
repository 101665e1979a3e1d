const FIRST_WAIT_MS = 500;
const CEILING_MS = 10_000;

/**
 * When the address of a server that refuses writes as a replica is worth looking up again: at once, then after waits that
 * double. A name that still leads to the demoted master may take a while to change, and a server that is a replica by
 * intention must not be flooded with connections.
 */
export class RelocationPace {
  #nextAtMs = 0;
  #waitMs = FIRST_WAIT_MS;

  /** Whether one is due now. If so the next is not before the wait is over. */
  takeDue(nowMs: number): boolean {
    if (nowMs < this.#nextAtMs) return false;
    // Nothing was refused for long: another demotion.
    if (nowMs - this.#nextAtMs > CEILING_MS) this.#waitMs = FIRST_WAIT_MS;
    this.#nextAtMs = nowMs + this.#waitMs;
    this.#waitMs = Math.min(CEILING_MS, this.#waitMs * 2);
    return true;
  }
}
