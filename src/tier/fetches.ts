import type { Request } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";

/** A read that may fill the tier, and that later reads of its key may share once it is with the store. */
interface Fetch {
  readonly request: Request;
  isWithStore: boolean;
}

/**
 * The reads under way whose answers are worth keeping, one a key. A read that a change of its key overtakes is no longer
 * among them: its answer may be older than the change, so it fills nothing and nobody called later shares it.
 */
export class Fetches {
  readonly #fetches = new Map<CanonicalKey, Fetch>();

  begin(request: Request): void {
    if (!this.#fetches.has(request.key)) this.#fetches.set(request.key, { request, isWithStore: false });
  }

  handedOver(request: Request): void {
    const fetch = this.#fetches.get(request.key);
    if (fetch?.request === request) fetch.isWithStore = true;
  }

  /** The read that another of this key can share. */
  withStore(key: CanonicalKey): Request | undefined {
    const fetch = this.#fetches.get(key);
    return fetch?.isWithStore === true ? fetch.request : undefined;
  }

  /** Whether it was still under way, unovertaken, and now is no more. */
  end(request: Request): boolean {
    if (this.#fetches.get(request.key)?.request !== request) return false;
    this.#fetches.delete(request.key);
    return true;
  }

  overtake(key: CanonicalKey): void {
    if (this.#fetches.size > 0) this.#fetches.delete(key);
  }

  overtakeAll(): void {
    this.#fetches.clear();
  }
}
