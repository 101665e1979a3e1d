import type { CanonicalKey } from "../../core/key.js";

/** A position in the server's log. */
export type LogPosition = bigint;

/** Beyond so many keys they are no longer told apart: all are read from the primary until replicas have caught up. */
const MAX_KEYS = 200_000;

interface Generation {
  readonly keys: Set<CanonicalKey>;
  /** Everything counts as written: by a call on many keys, or because there were too many. */
  hasAll: boolean;
  /** Where the log was after the last of these writes had been acknowledged; undefined: not asked yet. */
  position: LogPosition | undefined;
}

/**
 * Keys that this engine wrote and replicas may not have yet, in generations. A generation ends when the primary is asked
 * for its position, and is forgotten when every replica in use has come by it.
 */
export class RecentWrites {
  #generations: Generation[] = [newGeneration()];
  /** What replicas must have reached to be used: generations up to here are forgotten. */
  #floor: LogPosition = 0n;

  get floor(): LogPosition {
    return this.#floor;
  }

  add(key: CanonicalKey): void {
    const current = this.#generations[this.#generations.length - 1]!;
    if (current.hasAll) return;
    current.keys.add(key);
    if (current.keys.size > MAX_KEYS) this.addAll();
  }

  addAll(): void {
    const current = this.#generations[this.#generations.length - 1]!;
    current.hasAll = true;
    current.keys.clear();
  }

  /** What is written from now on belongs to the next generation; the result takes the position that is asked for now. */
  seal(): (position: LogPosition) => void {
    const sealed = this.#generations[this.#generations.length - 1]!;
    if (sealed.hasAll || sealed.keys.size > 0) this.#generations.push(newGeneration());
    return (position) => {
      if (sealed.position === undefined && (sealed.hasAll || sealed.keys.size > 0)) sealed.position = position;
    };
  }

  /** Forgets what all replicas in use have. */
  reached(position: LogPosition): void {
    while (this.#generations.length > 1) {
      const oldest = this.#generations[0]!;
      if (oldest.position === undefined || oldest.position > position) return;
      if (oldest.position > this.#floor) this.#floor = oldest.position;
      this.#generations.shift();
    }
  }

  /** Whether a replica that has come so far may lack a write of this key. */
  mayLack(key: CanonicalKey, reached: LogPosition): boolean {
    for (const { keys, hasAll, position } of this.#generations) {
      if (position !== undefined && position <= reached) continue;
      if (hasAll || keys.has(key)) return true;
    }
    return false;
  }
}

function newGeneration(): Generation {
  return { keys: new Set(), hasAll: false, position: undefined };
}

/** @param text as the server writes it: two hexadecimal halves */
export function logPosition(text: string): LogPosition {
  const [high, low] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
