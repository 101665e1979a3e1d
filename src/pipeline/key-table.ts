import type { Request } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import { hashOfKey } from "../core/key-hash.js";

/**
 * The keys of the batch being planned, each with the request that stands for it. Open addressing over arrays that are
 * kept from batch to batch: a Map would grow again from nothing for every batch, at twice the cost per operation
 * (`bench/micro`).
 */
export class KeyTable {
  #keys: (CanonicalKey | undefined)[];
  #requests: (Request | undefined)[];
  #hashes: Int32Array;
  #used: Int32Array;
  #mask: number;
  #size = 0;

  constructor(expectedKeys: number) {
    const capacity = capacityFor(expectedKeys);
    this.#mask = capacity - 1;
    this.#keys = new Array<CanonicalKey | undefined>(capacity).fill(undefined);
    this.#requests = new Array<Request | undefined>(capacity).fill(undefined);
    this.#hashes = new Int32Array(capacity);
    this.#used = new Int32Array(capacity);
  }

  /**
   * Where the key is or belongs. Holds until something is put elsewhere.
   * @param hash as `hashOfKey` makes it
   */
  slotOf(key: CanonicalKey, hash: number): number {
    const mask = this.#mask;
    let slot = hash & mask;
    for (;;) {
      const there = this.#keys[slot];
      if (there === undefined) {
        this.#hashes[slot] = hash;
        return slot;
      }
      if (this.#hashes[slot] === hash && there === key) return slot;
      slot = (slot + 1) & mask;
    }
  }

  at(slot: number): Request | undefined {
    return this.#requests[slot];
  }

  /** @param slot what `slotOf` returned, with nothing put in between */
  put(slot: number, key: CanonicalKey, request: Request): void {
    this.#requests[slot] = request;
    if (this.#keys[slot] !== undefined) return;
    this.#keys[slot] = key;
    this.#used[this.#size++] = slot;
    if (this.#size * 2 > this.#mask) this.#grow();
  }

  /** Forgets everything, and lets go of what it held. */
  clear(): void {
    for (let i = 0; i < this.#size; i++) {
      const slot = this.#used[i]!;
      this.#keys[slot] = undefined;
      this.#requests[slot] = undefined;
    }
    this.#size = 0;
  }

  #grow(): void {
    const keys = this.#keys;
    const requests = this.#requests;
    const used = this.#used.slice(0, this.#size);
    const bigger = new KeyTable(keys.length);
    this.#mask = bigger.#mask;
    this.#keys = bigger.#keys;
    this.#requests = bigger.#requests;
    this.#hashes = bigger.#hashes;
    this.#used = bigger.#used;
    this.#size = 0;
    for (const slot of used) {
      const key = keys[slot]!;
      this.put(this.slotOf(key, hashOfKey(key, key.length)), key, requests[slot]!);
    }
  }
}

function capacityFor(keys: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(16, keys * 2 + 2)));
}
