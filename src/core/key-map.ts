import type { CanonicalKey } from "./key.js";
import { hashOfKey } from "./key-hash.js";

const FIRST_CAPACITY = 64;

/**
 * A map from keys for entries that come and go with every batch. A `Map` makes itself a new table each time deleted
 * entries have filled it, and the table before leads to the new one; once a former table has become old to the
 * collector, it keeps all its followers and what was in them, in the end every request, until the next full
 * collection. Here the arrays stay the same: open addressing, and a deletion moves the entries behind it up (Knuth,
 * The Art of Computer Programming, volume 3, section 6.4, algorithm R).
 */
export class KeyMap<T> {
  #keys: (CanonicalKey | undefined)[];
  #values: (T | undefined)[];
  #hashes: Int32Array;
  #mask: number;
  #size = 0;

  /** @param capacity a power of two */
  constructor(capacity = FIRST_CAPACITY) {
    this.#mask = capacity - 1;
    this.#keys = new Array<CanonicalKey | undefined>(capacity).fill(undefined);
    this.#values = new Array<T | undefined>(capacity).fill(undefined);
    this.#hashes = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  has(key: CanonicalKey): boolean {
    return this.#keys[this.#slotOf(key, hashOfKey(key, key.length))] !== undefined;
  }

  get(key: CanonicalKey): T | undefined {
    return this.#values[this.#slotOf(key, hashOfKey(key, key.length))];
  }

  set(key: CanonicalKey, value: T): void {
    const hash = hashOfKey(key, key.length);
    const slot = this.#slotOf(key, hash);
    this.#values[slot] = value;
    if (this.#keys[slot] !== undefined) return;
    this.#keys[slot] = key;
    this.#hashes[slot] = hash;
    if (++this.#size * 2 > this.#mask) this.#grow();
  }

  delete(key: CanonicalKey): void {
    const mask = this.#mask;
    let gap = this.#slotOf(key, hashOfKey(key, key.length));
    if (this.#keys[gap] === undefined) return;
    this.#size--;
    for (let at = (gap + 1) & mask; this.#keys[at] !== undefined; at = (at + 1) & mask) {
      const home = this.#hashes[at]! & mask;
      // An entry may move up only as far as where the search for it begins.
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      this.#keys[gap] = this.#keys[at];
      this.#values[gap] = this.#values[at];
      this.#hashes[gap] = this.#hashes[at]!;
      gap = at;
    }
    this.#keys[gap] = undefined;
    this.#values[gap] = undefined;
  }

  /** Calls `visit` for each value, in no order. Nothing may be put in or taken out meanwhile. */
  forEach(visit: (value: T) => void): void {
    for (let slot = 0; slot < this.#keys.length; slot++) {
      if (this.#keys[slot] !== undefined) visit(this.#values[slot] as T);
    }
  }

  #slotOf(key: CanonicalKey, hash: number): number {
    const mask = this.#mask;
    let slot = hash & mask;
    for (;;) {
      const there = this.#keys[slot];
      if (there === undefined || (this.#hashes[slot] === hash && there === key)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const bigger = new KeyMap<T>(this.#keys.length * 2);
    for (let slot = 0; slot < this.#keys.length; slot++) {
      const key = this.#keys[slot];
      if (key === undefined) continue;
      const to = bigger.#slotOf(key, this.#hashes[slot]!);
      bigger.#keys[to] = key;
      bigger.#values[to] = this.#values[slot];
      bigger.#hashes[to] = this.#hashes[slot]!;
    }
    this.#keys = bigger.#keys;
    this.#values = bigger.#values;
    this.#hashes = bigger.#hashes;
    this.#mask = bigger.#mask;
  }
}
