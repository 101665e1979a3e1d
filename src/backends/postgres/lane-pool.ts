import type { ConnectionCounts } from "../contract.js";
import type { Lane } from "./lane.js";
import type { SessionKeeper } from "./session-keeper.js";

/**
 * Between two looks at the connections. One over which nothing was sent since the last is asked whether it is still
 * there.
 */
const LOOK_MS = 1000;
/** However short `idleMs` is. */
const SHORTEST_LOOK_MS = 20;

export interface LaneLimits {
  /** So many connections stay open. */
  readonly min: number;
  /** So many are open at first. */
  readonly atOnce: number;
  /** Milliseconds after which one that was not needed is closed. */
  readonly idleMs: number;
}

/**
 * How many of the lanes have a connection. A batch takes the lane with the least to do, so under little load the same
 * one carries everything and the others are not needed: each of them is a process of the server. One that has slept is
 * connected again when a batch finds all others at work.
 */
export class LanePool {
  readonly #lanes: readonly Lane[];
  readonly #keeper: SessionKeeper;
  readonly #limits: LaneLimits;
  #monitor: NodeJS.Timeout | undefined;

  constructor(lanes: readonly Lane[], keeper: SessionKeeper, limits: LaneLimits) {
    this.#lanes = lanes;
    this.#keeper = keeper;
    this.#limits = limits;
    for (const lane of lanes.slice(limits.atOnce)) lane.isAsleep = true;
  }

  /** Lanes that have a connection. */
  get open(): number {
    let count = 0;
    for (const lane of this.#lanes) if (lane.isOpen) count++;
    return count;
  }

  /** Lanes that have a connection or are to have one again; the others sleep. */
  get wanted(): number {
    let count = 0;
    for (const lane of this.#lanes) if (!lane.isAsleep) count++;
    return count;
  }

  counts(): ConnectionCounts {
    const { open } = this;
    const active = this.#lanes.filter((lane) => lane.isOpen && lane.load > 0).length;
    return { active, idle: open - active };
  }

  start(): void {
    const everyMs = Math.max(SHORTEST_LOOK_MS, Math.min(LOOK_MS, this.#limits.idleMs));
    this.#monitor = setInterval(() => this.#look(), everyMs);
    this.#monitor.unref();
  }

  stop(): void {
    clearInterval(this.#monitor);
  }

  /** A batch is about to be given to a lane. */
  batchBegins(): void {
    let asleep = 0;
    for (const lane of this.#lanes) {
      if (lane.isAsleep) asleep++;
      else if (!lane.isOpen || lane.load === 0) return;
    }
    if (asleep > 0) this.wake();
  }

  /** Connects one that sleeps, if there is one. */
  wake(): void {
    const lane = this.#lanes.find(({ isAsleep }) => isAsleep);
    if (lane === undefined) return;
    lane.isAsleep = false;
    this.#keeper.reopen(lane, 0, 0);
  }

  #look(): void {
    const nowMs = performance.now();
    let { open } = this;
    for (const lane of this.#lanes) {
      const { session } = lane;
      if (session === undefined || !lane.isOpen) continue;
      if (lane.load > 0 || lane.wasUsed) {
        lane.wasUsed = false;
        lane.neededAtMs = nowMs;
      } else if (open > this.#limits.min && nowMs - lane.neededAtMs >= this.#limits.idleMs && session.due === 0) {
        lane.session = undefined;
        lane.isAsleep = true;
        session.close();
        open--;
      } else {
        session.askForLife();
      }
    }
  }
}
