import type { Request, TransactionStep } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import { keyHash } from "../core/key-hash.js";
import { KeyedTable } from "../core/keyed-table.js";
import { shortLivedList } from "../core/short-lived-list.js";

/** A class, as `shortLivedList` says of literals. */
class HeldKey {
  readonly key: CanonicalKey;
  readonly waiting: Request[] = shortLivedList();

  constructor(key: CanonicalKey) {
    this.key = key;
  }
}

/** Keys whose latest request must settle before the next on them may leave, with the requests that wait for that. */
export class HeldKeys {
  readonly #held = new KeyedTable<HeldKey>();

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** The key must not be held. */
  hold(key: CanonicalKey): void {
    this.#held.add(new HeldKey(key), keyHash(key));
  }

  /** True: the request now waits for one on the same key. */
  park(request: Request): boolean {
    const held = this.#held.find(request.key, keyHash(request.key));
    if (held === undefined) return false;
    held.waiting.push(request);
    return true;
  }

  touches(steps: readonly TransactionStep[]): boolean {
    return steps.some(({ key }) => this.#held.find(key, keyHash(key)) !== undefined);
  }

  /** Ends the hold and gives back what waited for it, in order. */
  release(key: CanonicalKey): readonly Request[] {
    return this.#held.delete(key, keyHash(key))?.waiting ?? [];
  }

  forEachWaiting(visit: (request: Request) => void): void {
    this.#held.forEach(({ waiting }) => {
      for (const request of waiting) visit(request);
    });
  }
}
