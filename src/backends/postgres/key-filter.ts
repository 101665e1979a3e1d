/** Of 8192, so that of 128 keys each is a false alarm for one other in sixty. */
const LEAST_WORDS = 256;
/** Beyond that so many bits for each key, for the same. */
const WORDS_PER_KEY = 2;

/** Whether a hash may have been added, by one bit of it: no false "no". */
export class KeyFilter {
  #bits: Uint32Array;

  constructor(capacity = 0) {
    let words = LEAST_WORDS;
    while (words < capacity * WORDS_PER_KEY) words *= 2;
    this.#bits = new Uint32Array(words);
  }

  add(hash: number): void {
    const bits = this.#bits;
    // The lowest bit says nothing: hashes are even.
    bits[(hash >>> 6) & (bits.length - 1)]! |= 1 << (hash >>> 1);
  }

  addAll(other: KeyFilter): void {
    const theirs = other.#bits;
    if (theirs.length > this.#bits.length) this.#widen(theirs.length);
    const bits = this.#bits;
    const mask = theirs.length - 1;
    for (let i = 0; i < bits.length; i++) bits[i]! |= theirs[i & mask]!;
  }

  mayHave(hash: number): boolean {
    const bits = this.#bits;
    return (bits[(hash >>> 6) & (bits.length - 1)]! & (1 << (hash >>> 1))) !== 0;
  }

  clear(): void {
    this.#bits.fill(0);
  }

  /** Where a hash has its bit in the longer one depends on more of it, which is not known: the bit is in all these places. */
  #widen(words: number): void {
    const narrow = this.#bits;
    this.#bits = new Uint32Array(words);
    for (let i = 0; i < words; i++) this.#bits[i] = narrow[i & (narrow.length - 1)]!;
  }
}
