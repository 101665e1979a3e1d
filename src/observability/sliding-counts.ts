import { SLOTS } from "./log-linear.js";

/** Counts by slot, without the empty ones. */
export interface SparseCounts {
  readonly slots: Uint16Array;
  readonly counts: Uint32Array;
}

interface Slice {
  readonly startMs: number;
  readonly counts: SparseCounts;
}

interface Level {
  readonly sliceMs: number;
  /** What began longer ago goes to the next level. */
  readonly keptMs: number;
}

const LEVELS: readonly Level[] = [
  { sliceMs: 1000, keptMs: 10_000 },
  { sliceMs: 10_000, keptMs: 60_000 },
  { sliceMs: 30_000, keptMs: 300_000 },
];

export const SHORTEST_SLICE_MS = LEVELS[0]!.sliceMs;

/** Where all empties itself into; the same for all, since it is used within one call only. */
const scratch = new Uint32Array(SLOTS);

/**
 * The counts of the last five minutes by time: ten slices of a second, then slices of ten seconds, then of thirty.
 * Each count is kept once; what ages is merged into coarser slices and in the end forgotten.
 */
export class SlidingCounts {
  readonly #levels: Slice[][] = LEVELS.map(() => []);

  /**
   * Adds what was counted in the second that began at `startMs`, not before what was added earlier. What is too old is
   * forgotten here too: an engine whose figures nobody reads would otherwise keep each second of its life.
   */
  add(startMs: number, counts: SparseCounts): void {
    this.#age(startMs);
    put(this.#levels[0]!, startMs, counts);
  }

  /** How many slices are kept; no more than some two dozen, however long it counts. */
  get sliceCount(): number {
    return this.#levels.reduce((sum, slices) => sum + slices.length, 0);
  }

  /** Adds to `total` what was counted since `nowMs - spanMs`; slices that began before are left out as a whole. */
  sum(nowMs: number, spanMs: number, total: Float64Array): void {
    this.#age(nowMs);
    for (const slices of this.#levels) {
      for (const { startMs, counts } of slices) {
        if (startMs < nowMs - spanMs) continue;
        for (let i = 0; i < counts.slots.length; i++) total[counts.slots[i]!]! += counts.counts[i]!;
      }
    }
  }

  #age(nowMs: number): void {
    for (const [index, { keptMs }] of LEVELS.entries()) {
      const slices = this.#levels[index]!;
      while (slices.length > 0 && slices[0]!.startMs < nowMs - keptMs) {
        const slice = slices.shift()!;
        const next = LEVELS[index + 1];
        if (next === undefined) continue;
        put(this.#levels[index + 1]!, Math.floor(slice.startMs / next.sliceMs) * next.sliceMs, slice.counts);
      }
    }
  }
}

/** Milliseconds that a window of `spanMs` covers at this moment: whole slices only, and none before `originMs`. */
export function coveredMs(nowMs: number, spanMs: number, originMs: number): number {
  const level = LEVELS.find(({ keptMs }) => spanMs <= keptMs) ?? LEVELS.at(-1)!;
  const firstSliceMs = Math.ceil((nowMs - spanMs) / level.sliceMs) * level.sliceMs;
  return nowMs - Math.max(firstSliceMs, originMs);
}

function put(slices: Slice[], startMs: number, counts: SparseCounts): void {
  const last = slices.at(-1);
  if (last === undefined || last.startMs !== startMs) slices.push({ startMs, counts });
  else slices[slices.length - 1] = { startMs, counts: merged(last.counts, counts) };
}

function merged(one: SparseCounts, other: SparseCounts): SparseCounts {
  for (const { slots, counts } of [one, other]) {
    for (let i = 0; i < slots.length; i++) scratch[slots[i]!]! += counts[i]!;
  }
  return drained(scratch);
}

/** What stands in `counts`, which are set to zero. */
export function drained(counts: Uint32Array): SparseCounts {
  let used = 0;
  for (let slot = 0; slot < SLOTS; slot++) if (counts[slot] !== 0) used++;
  const sparse = { slots: new Uint16Array(used), counts: new Uint32Array(used) };
  let at = 0;
  for (let slot = 0; slot < SLOTS; slot++) {
    const count = counts[slot]!;
    if (count === 0) continue;
    sparse.slots[at] = slot;
    sparse.counts[at++] = count;
    counts[slot] = 0;
  }
  return sparse;
}
