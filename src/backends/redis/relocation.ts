import type { Lane } from "./lane.js";

const FIRST_WAIT_MS = 500;
const CEILING_MS = 10_000;

/**
 * Going over from a server that refuses writes as a replica to the one that its address leads to by now.
 *
 * The address is looked up at once, then after waits that double. A name that still leads to the demoted master may take a
 * while to change, and a server that is a replica by intention must not be flooded with connections.
 */
export class Relocation {
  #nextAtMs = 0;
  #waitMs = FIRST_WAIT_MS;
  /** To be left for those that join: their server is not the one that the address leads to. */
  readonly #abandoned = new Set<Lane>();

  /** Whether the address is to be looked up now. If so the next time is not before the wait is over. */
  takeDue(nowMs: number): boolean {
    if (nowMs < this.#nextAtMs) return false;
    // Nothing was refused for long: another demotion.
    if (nowMs - this.#nextAtMs > CEILING_MS) this.#waitMs = FIRST_WAIT_MS;
    this.#nextAtMs = nowMs + this.#waitMs;
    this.#waitMs = Math.min(CEILING_MS, this.#waitMs * 2);
    return true;
  }

  /** Has these left for the new one when nothing is due on them. False: it leads to the same server. */
  begin(lane: Lane, there: readonly Lane[]): boolean {
    const { runId } = lane.facts;
    if (runId !== undefined && there.every(({ facts }) => facts.runId === runId)) return false;
    for (const other of there) this.#abandoned.add(other);
    return true;
  }

  /** Those of the lanes that are to be left now; none if what was to be gone over to is lost by now. */
  takeLeft(lanes: readonly Lane[]): readonly Lane[] {
    const left = lanes.filter((lane) => this.#abandoned.has(lane));
    this.#abandoned.clear();
    return left.length === lanes.length ? [] : left;
  }
}
