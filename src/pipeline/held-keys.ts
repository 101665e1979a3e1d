import type { Request, TransactionStep } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import { KeyMap } from "../core/key-map.js";

/** Keys whose latest request must settle before the next on them may leave, with the requests that wait for that. */
export class HeldKeys {
  readonly #waiting = new KeyMap<Request[]>();

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  hold(key: CanonicalKey): void {
    this.#waiting.set(key, []);
  }

  /** True: the request now waits for one on the same key. */
  park(request: Request): boolean {
    const waiting = this.#waiting.get(request.key);
    if (waiting === undefined) return false;
    waiting.push(request);
    return true;
  }

  touches(steps: readonly TransactionStep[]): boolean {
    return steps.some((step) => this.#waiting.has(step.key));
  }

  /** Ends the hold and gives back what waited for it, in order. */
  release(key: CanonicalKey): readonly Request[] {
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    return waiting;
  }

  forEachWaiting(visit: (request: Request) => void): void {
    this.#waiting.forEach((waiting) => {
      for (const request of waiting) visit(request);
    });
  }
}
