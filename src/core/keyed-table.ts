import type { CanonicalKey } from "./key.js";

const FIRST_CAPACITY = 1024;

/**
 * Items by their keys, with hashes (`keyHash`) that whoever asks has made already: one serves every question about a key.
 *
 * Open addressing over arrays that are kept. A Map that keys come to and go from makes a new table every so often, and
 * each old table holds on to the one after it: all requests of a second then outlive the young generation, and a read
 * costs twice what it does here. A key that is not there is known by its hash alone, without a look at any other.
 */
export class KeyedTable<Item extends { readonly key: CanonicalKey }> {
  #items: (Item | undefined)[];
  /** 0: nothing is there. */
  #hashes: Int32Array;
  #mask: number;
  #size = 0;

  /** @param capacity a power of two */
  constructor(capacity = FIRST_CAPACITY) {
    this.#items = new Array<Item | undefined>(capacity).fill(undefined);
    this.#hashes = new Int32Array(capacity);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  find(key: CanonicalKey, hash: number): Item | undefined {
    const slot = this.#slotOf(key, hash);
    return this.#hashes[slot] === 0 ? undefined : this.#items[slot];
  }

  /** Its key must not be there. */
  add(item: Item, hash: number): void {
    const slot = this.#slotOf(item.key, hash);
    this.#items[slot] = item;
    this.#hashes[slot] = hash;
    this.#size++;
    if (this.#size * 2 > this.#mask) this.#grow();
  }

  /** Takes out what has this key, and returns it. */
  delete(key: CanonicalKey, hash: number): Item | undefined {
    const slot = this.#slotOf(key, hash);
    if (this.#hashes[slot] === 0) return undefined;
    const item = this.#items[slot];
    this.#closeGap(slot);
    this.#size--;
    return item;
  }

  clear(): void {
    if (this.#size === 0) return;
    this.#items.fill(undefined);
    this.#hashes.fill(0);
    this.#size = 0;
  }

  /** In no order. Nothing may be put in or taken out meanwhile. */
  forEach(visit: (item: Item) => void): void {
    if (this.#size === 0) return;
    for (const item of this.#items) if (item !== undefined) visit(item);
  }

  /** Where the key is or belongs. */
  #slotOf(key: CanonicalKey, hash: number): number {
    const mask = this.#mask;
    const hashes = this.#hashes;
    let slot = (hash >>> 1) & mask;
    for (;;) {
      const there = hashes[slot];
      if (there === 0 || (there === hash && this.#items[slot]!.key === key)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** Whatever lies behind is moved as near to its place as it can, so that it is found. */
  #closeGap(slot: number): void {
    const mask = this.#mask;
    const hashes = this.#hashes;
    let gap = slot;
    let next = (slot + 1) & mask;
    for (let hash = hashes[next]!; hash !== 0; hash = hashes[next]!) {
      if (((next - (hash >>> 1)) & mask) >= ((next - gap) & mask)) {
        this.#items[gap] = this.#items[next];
        hashes[gap] = hash;
        gap = next;
      }
      next = (next + 1) & mask;
    }
    this.#items[gap] = undefined;
    hashes[gap] = 0;
  }

  #grow(): void {
    const items = this.#items;
    const hashes = this.#hashes;
    const capacity = items.length * 2;
    this.#items = new Array<Item | undefined>(capacity).fill(undefined);
    this.#hashes = new Int32Array(capacity);
    this.#mask = capacity - 1;
    this.#size = 0;
    for (const [slot, item] of items.entries()) {
      if (item !== undefined) this.add(item, hashes[slot]!);
    }
  }
}
