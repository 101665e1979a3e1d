import type { Request } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import { KeyedTable } from "../core/keyed-table.js";

/** In a request's mark, beside the hash of its key: it has been handed to the store. */
const WITH_STORE = 1;

/**
 * The reads under way whose answers are worth keeping, one a key; later reads of the key share one that is with the
 * store. A read that a change of its key overtakes is no longer among them: its answer may be older than the change, so
 * it fills nothing and nobody called later shares it.
 */
export class Fetches {
  readonly #reads = new KeyedTable<Request>();

  /**
   * The read of this key that is with the store.
   * @param hash `keyHash` of the key
   */
  withStore(key: CanonicalKey, hash: number): Request | undefined {
    const read = this.#reads.find(key, hash);
    return read === undefined || (read.mark & WITH_STORE) === 0 ? undefined : read;
  }

  /** The answer to this read is worth keeping, unless there is another of its key: it is marked then. */
  begin(request: Request, hash: number): void {
    if (this.#reads.find(request.key, hash) !== undefined) return;
    request.mark = hash;
    this.#reads.add(request, hash);
  }

  handedOver(request: Request): void {
    if (request.mark !== 0) request.mark |= WITH_STORE;
  }

  /** Whether it was still under way, unovertaken, and now is no more. */
  end(request: Request): boolean {
    const hash = request.mark & ~WITH_STORE;
    if (hash === 0 || this.#reads.find(request.key, hash) !== request) return false;
    this.#reads.delete(request.key, hash);
    return true;
  }

  overtake(key: CanonicalKey, hash: number): void {
    if (this.#reads.size > 0) this.#reads.delete(key, hash);
  }

  overtakeAll(): void {
    this.#reads.clear();
  }
}
