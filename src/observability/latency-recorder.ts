import { SLOTS, slotOf } from "./log-linear.js";
import { drained, SlidingCounts, type SparseCounts } from "./sliding-counts.js";

const NOT_USED = new Uint32Array(0);

/**
 * Counts durations, in microseconds, in a log-linear array (see `SLOTS`), about 1 ns per record. Once a second or so
 * the array is emptied into the totals since the start and into the slices of the last five minutes.
 */
export class LatencyRecorder {
  /** What was recorded since it was emptied last. Most operations are never called: theirs is made when one is. */
  #recent = NOT_USED;
  #recentCount = 0;
  #drainedCount = 0;
  #totals: Float64Array | undefined;
  readonly #sliding = new SlidingCounts();

  /** Negative durations (the clock is read on the way, not in one instant) count as 0. */
  record(elapsedUs: number): void {
    this.recordMany(elapsedUs, 1);
  }

  recordMany(elapsedUs: number, times: number): void {
    this.begin(times)[slotOf(elapsedUs < 0 ? 0 : elapsedUs | 0)]! += times;
  }

  /** The array itself, for whoever counts `times` durations there, each in its slot, before anything else happens. */
  begin(times: number): Uint32Array {
    if (this.#recent === NOT_USED) this.#recent = new Uint32Array(SLOTS);
    this.#recentCount += times;
    return this.#recent;
  }

  get count(): number {
    return this.#drainedCount + this.#recentCount;
  }

  /** Empties the array; undefined: nothing was in it. What is returned was recorded in the second from `startMs` on. */
  drain(startMs: number): SparseCounts | undefined {
    if (this.#recentCount === 0) return undefined;
    this.#totals ??= new Float64Array(SLOTS);
    const sparse = drained(this.#recent);
    for (let i = 0; i < sparse.slots.length; i++) this.#totals[sparse.slots[i]!]! += sparse.counts[i]!;
    this.#sliding.add(startMs, sparse);
    this.#drainedCount += this.#recentCount;
    this.#recentCount = 0;
    return sparse;
  }

  /** Counts by slot since the start, as drained last. undefined: none. */
  get totals(): Float64Array | undefined {
    return this.#totals;
  }

  /** Counts by slot of the last `spanMs`, as drained last, in an array that the next call reuses. */
  window(nowMs: number, spanMs: number): Float64Array {
    windowCounts.fill(0);
    this.#sliding.sum(nowMs, spanMs, windowCounts);
    return windowCounts;
  }
}

const windowCounts = new Float64Array(SLOTS);
