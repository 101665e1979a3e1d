import type { CanonicalKey } from "../../core/key.js";

export interface PendingWork {
  forEachWrittenKey(visit: (key: CanonicalKey) => void): void;
}

/**
 * Keys with a write that is queued or on its way to the disk. A read of any other key may go to the store at once.
 *
 * Writes come and go in their order, and are looked at only when somebody reads meanwhile: where nobody does, they cost
 * nothing here.
 */
export class PendingKeys {
  readonly #writes = new Map<CanonicalKey, number>();
  /** In the order in which they came; the first `#indexed` of them are in the map. */
  #works: PendingWork[] = [];
  #indexed = 0;
  readonly #count = (key: CanonicalKey): void => {
    this.#writes.set(key, (this.#writes.get(key) ?? 0) + 1);
  };
  readonly #discount = (key: CanonicalKey): void => {
    const left = this.#writes.get(key)! - 1;
    if (left === 0) this.#writes.delete(key);
    else this.#writes.set(key, left);
  };

  add(work: PendingWork): void {
    this.#works.push(work);
  }

  /** The first `count` of those that were added are pending no more. */
  removeFirst(count: number): void {
    const indexed = Math.min(count, this.#indexed);
    for (let i = 0; i < indexed; i++) this.#works[i]!.forEachWrittenKey(this.#discount);
    this.#indexed -= indexed;
    this.#works = this.#works.slice(count);
  }

  has(key: CanonicalKey): boolean {
    if (this.#works.length === 0) return false;
    while (this.#indexed < this.#works.length) this.#works[this.#indexed++]!.forEachWrittenKey(this.#count);
    return this.#writes.has(key);
  }
}
