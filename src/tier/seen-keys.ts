/**
 * Keys that were missed lately, so that one that is asked for once does not push out one that is asked for often. Hashes
 * in a table of fixed size, each in the one place where it can be: a later key takes the place of an earlier, and two
 * keys with one hash are taken for each other, once in four thousand million times.
 */
export class SeenKeys {
  readonly #hashes: Int32Array;
  readonly #mask: number;

  /** @param capacity how many keys may be remembered at most, rounded up to a power of two */
  constructor(capacity: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, capacity)));
    this.#hashes = new Int32Array(size);
    this.#mask = size - 1;
  }

  /** Whether the key with this `keyHash` was seen before, and lately; it now was. */
  see(hash: number): boolean {
    const slot = (hash >>> 1) & this.#mask;
    if (this.#hashes[slot] === hash) return true;
    this.#hashes[slot] = hash;
    return false;
  }
}
