import type { CanonicalKey } from "../../core/key.js";

/** Keys with a write that is queued or on its way to the disk. A read of any other key may go to the store at once. */
export class PendingKeys {
  readonly #writes = new Map<CanonicalKey, number>();

  add(key: CanonicalKey): void {
    this.#writes.set(key, (this.#writes.get(key) ?? 0) + 1);
  }

  remove(key: CanonicalKey): void {
    const left = this.#writes.get(key)! - 1;
    if (left === 0) this.#writes.delete(key);
    else this.#writes.set(key, left);
  }

  has(key: CanonicalKey): boolean {
    return this.#writes.size !== 0 && this.#writes.has(key);
  }
}
