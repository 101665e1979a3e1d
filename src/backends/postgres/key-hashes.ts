import { KeyFilter } from "./key-filter.js";

/**
 * Hashes of the keys of a batch, for the question whether another has one of them. Where hashes are equal keys are taken
 * to be; so the answer is yes for one in some hundred thousand pairs of batches of 128 that have none in common.
 */
export class KeyHashes {
  readonly filter: KeyFilter;
  readonly #hashes: Int32Array;
  #count = 0;

  constructor(capacity: number) {
    this.filter = new KeyFilter(capacity);
    this.#hashes = new Int32Array(capacity);
  }

  add(hash: number): void {
    this.#hashes[this.#count++] = hash;
    this.filter.add(hash);
  }

  has(hash: number): boolean {
    if (!this.filter.mayHave(hash)) return false;
    for (let i = 0; i < this.#count; i++) if (this.#hashes[i] === hash) return true;
    return false;
  }

  shareOneWith(other: KeyHashes): boolean {
    for (let i = 0; i < this.#count; i++) if (other.has(this.#hashes[i]!)) return true;
    return false;
  }
}
