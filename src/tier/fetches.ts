import type { Request } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import { keyHash } from "./key-hash.js";

const FIRST_CAPACITY = 1024;

/**
 * The reads under way whose answers are worth keeping, one a key; later reads of the key share one that is with the
 * store. A read that a change of its key overtakes is no longer among them: its answer may be older than the change, so
 * it fills nothing and nobody called later shares it.
 *
 * Open addressing over arrays that are kept. A Map that keys come to and go from makes a new table every so often, and
 * each old table holds on to the one after it: all requests of a second then outlive the young generation, and a read
 * costs twice what it does here.
 */
export class Fetches {
  #requests: (Request | undefined)[] = new Array<Request | undefined>(FIRST_CAPACITY).fill(undefined);
  #hashes = new Int32Array(FIRST_CAPACITY);
  #isWithStore = new Uint8Array(FIRST_CAPACITY);
  #mask = FIRST_CAPACITY - 1;
  #size = 0;

  /** The read that this one can share; if there is none under way, this one may become it. */
  share(request: Request, mayBegin: boolean): Request | undefined {
    const { key } = request;
    const hash = keyHash(key);
    const slot = this.#slotOf(key, hash);
    const other = this.#requests[slot];
    if (other !== undefined) return this.#isWithStore[slot] === 1 ? other : undefined;
    if (mayBegin) this.#put(slot, hash, request, 0);
    return undefined;
  }

  handedOver(request: Request): void {
    const slot = this.#slotOf(request.key, keyHash(request.key));
    if (this.#requests[slot] === request) this.#isWithStore[slot] = 1;
  }

  /** Whether it was still under way, unovertaken, and now is no more. */
  end(request: Request): boolean {
    if (this.#size === 0) return false;
    const slot = this.#slotOf(request.key, keyHash(request.key));
    if (this.#requests[slot] !== request) return false;
    this.#removeAt(slot);
    return true;
  }

  overtake(key: CanonicalKey): void {
    if (this.#size === 0) return;
    const slot = this.#slotOf(key, keyHash(key));
    if (this.#requests[slot] !== undefined) this.#removeAt(slot);
  }

  overtakeAll(): void {
    this.#requests.fill(undefined);
    this.#size = 0;
  }

  /** Where the key is or belongs. */
  #slotOf(key: CanonicalKey, hash: number): number {
    const mask = this.#mask;
    let slot = hash & mask;
    for (;;) {
      const there = this.#requests[slot];
      if (there === undefined || (this.#hashes[slot] === hash && there.key === key)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #put(slot: number, hash: number, request: Request, isWithStore: number): void {
    this.#requests[slot] = request;
    this.#hashes[slot] = hash;
    this.#isWithStore[slot] = isWithStore;
    this.#size++;
    if (this.#size * 2 > this.#mask) this.#grow();
  }

  /** Closes the gap, so that whatever lies behind it is found: each goes as near to its place as it can. */
  #removeAt(slot: number): void {
    const mask = this.#mask;
    let gap = slot;
    let next = (slot + 1) & mask;
    for (let moved = this.#requests[next]; moved !== undefined; moved = this.#requests[next]) {
      const home = this.#hashes[next]! & mask;
      if (((next - home) & mask) >= ((next - gap) & mask)) {
        this.#requests[gap] = moved;
        this.#hashes[gap] = this.#hashes[next]!;
        this.#isWithStore[gap] = this.#isWithStore[next]!;
        gap = next;
      }
      next = (next + 1) & mask;
    }
    this.#requests[gap] = undefined;
    this.#size--;
  }

  #grow(): void {
    const requests = this.#requests;
    const hashes = this.#hashes;
    const isWithStore = this.#isWithStore;
    const capacity = requests.length * 2;
    this.#requests = new Array<Request | undefined>(capacity).fill(undefined);
    this.#hashes = new Int32Array(capacity);
    this.#isWithStore = new Uint8Array(capacity);
    this.#mask = capacity - 1;
    this.#size = 0;
    for (const [slot, request] of requests.entries()) {
      if (request === undefined) continue;
      const hash = hashes[slot]!;
      this.#put(this.#slotOf(request.key, hash), hash, request, isWithStore[slot]!);
    }
  }
}
