import type { CanonicalKey } from "../../core/key.js";

/** A position in the primary's log of changes, or stream of them; it only grows. */
export type LogPosition = bigint;

/** Beyond so many keys they are no longer told apart: all are read from the primary until replicas have caught up. */
const MAX_KEYS = 200_000;
/** So many ends of generations may be asked for in vain before those generations are no longer told apart. */
const MAX_UNPLACED = 1000;

/** Writes that were acknowledged between two questions for the primary's position. */
interface Generation {
  /** Where the log was after the last of them, or later; undefined: not known yet. */
  position: LogPosition | undefined;
}

/**
 * Keys that this engine wrote and replicas may not have yet. A generation of them ends when the primary is asked for its
 * position, and is forgotten when every replica that may be read has come by that.
 */
export class RecentWrites {
  /** The last generation that wrote each key, the oldest generation first. */
  readonly #writers = new Map<CanonicalKey, Generation>();
  /** Of this one and those before it everything counts as written: by a call on many keys, or because there were too many. */
  #everything: Generation | undefined;
  #current: Generation = { position: undefined };
  #hasCurrent = false;
  /** Generations that have ended and have no position, the oldest first. */
  #unplaced: Generation[] = [];
  /** What replicas must have reached to be used: generations up to here are forgotten. */
  #floor: LogPosition = 0n;

  get floor(): LogPosition {
    return this.#floor;
  }

  add(key: CanonicalKey): void {
    const current = this.#current;
    if (this.#everything === current) return;
    const earlier = this.#writers.get(key);
    if (earlier === current) return;
    // Set anew it stands at the end.
    if (earlier !== undefined) this.#writers.delete(key);
    this.#writers.set(key, current);
    this.#hasCurrent = true;
    if (this.#writers.size > MAX_KEYS) this.addAll();
  }

  addAll(): void {
    this.#everything = this.#current;
    this.#hasCurrent = true;
    this.#writers.clear();
    this.#unplaced = [];
  }

  /**
   * What is written from now on belongs to the next generation. The result takes the position that is asked for now, if it
   * comes; the next question is asked after that.
   */
  seal(): (position: LogPosition) => void {
    if (this.#hasCurrent) {
      if (this.#unplaced.length === MAX_UNPLACED) this.addAll();
      this.#unplaced.push(this.#current);
      this.#current = { position: undefined };
      this.#hasCurrent = false;
    }
    const asked = this.#unplaced.length;
    return (position) => {
      for (const generation of this.#unplaced.splice(0, asked)) generation.position = position;
    };
  }

  /** Forgets what has been in the log up to here: replicas that are not there yet must come by it before they are used. */
  reached(position: LogPosition): void {
    for (const [key, generation] of this.#writers) {
      if (!isIn(generation, position)) break;
      this.#raiseFloor(generation);
      this.#writers.delete(key);
    }
    if (this.#everything === undefined || !isIn(this.#everything, position)) return;
    this.#raiseFloor(this.#everything);
    this.#everything = undefined;
  }

  /** Whether a replica that has come so far may lack a write of this key. */
  mayLack(key: CanonicalKey, reached: LogPosition): boolean {
    if (this.#everything !== undefined && !isIn(this.#everything, reached)) return true;
    const generation = this.#writers.get(key);
    return generation !== undefined && !isIn(generation, reached);
  }

  #raiseFloor({ position }: Generation): void {
    if (position! > this.#floor) this.#floor = position!;
  }
}

/** Whether all of it was in the log at a position. */
function isIn({ position }: Generation, reached: LogPosition): boolean {
  return position !== undefined && position <= reached;
}
