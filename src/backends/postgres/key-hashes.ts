/** Of 8192, so that of 128 keys each is a false alarm for one other in sixty. */
const WORDS = 256;

/**
 * Hashes of the keys of a batch, for the question whether another has one of them. Where hashes are equal keys are taken
 * to be; so the answer is yes for one in some hundred thousand pairs of batches of 128 that have none in common.
 */
export class KeyHashes {
  readonly #hashes: Int32Array;
  readonly #bits = new Uint32Array(WORDS);
  #count = 0;

  constructor(capacity: number) {
    this.#hashes = new Int32Array(capacity);
  }

  add(hash: number): void {
    this.#hashes[this.#count++] = hash;
    this.#bits[(hash >>> 6) % WORDS]! |= 1 << (hash >>> 1);
  }

  has(hash: number): boolean {
    // The lowest bit says nothing: hashes are even.
    if ((this.#bits[(hash >>> 6) % WORDS]! & (1 << (hash >>> 1))) === 0) return false;
    for (let i = 0; i < this.#count; i++) if (this.#hashes[i] === hash) return true;
    return false;
  }

  shareOneWith(other: KeyHashes): boolean {
    for (let i = 0; i < this.#count; i++) if (other.has(this.#hashes[i]!)) return true;
    return false;
  }
}
