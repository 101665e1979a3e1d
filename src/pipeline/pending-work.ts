import type { Request } from "../backends/request.js";

export interface PendingBounds {
  /** Operations admitted at once, queued and in flight. */
  readonly maxPending: number;
  /** Their keys and values, in bytes, of strings in UTF-16 units. Default: without bound. */
  readonly maxPendingBytes?: number;
}

/** How much has been called and not settled, and what bounds it. */
export class PendingWork {
  readonly #bounds: PendingBounds;
  #operations = 0;
  #bytes = 0;

  constructor(bounds: PendingBounds) {
    this.#bounds = bounds;
  }

  /** Called and not settled. */
  get operations(): number {
    return this.#operations;
  }

  /** Of these, those that were admitted. */
  get admitted(): number {
    return Math.min(this.#operations, this.#bounds.maxPending);
  }

  /** Of their keys and values, of strings in UTF-16 units. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether so much more has room. What is larger than all the room there is has it while nothing is pending. */
  hasRoomFor(operations: number, bytes: number): boolean {
    const { maxPending, maxPendingBytes = Number.POSITIVE_INFINITY } = this.#bounds;
    if (this.#operations + operations > maxPending) return false;
    return this.#operations === 0 || this.#bytes + bytes <= maxPendingBytes;
  }

  add(request: Request): void {
    this.#operations++;
    this.#bytes += bytesOf(request);
  }

  /** @returns whether nothing is left */
  settled(request: Request): boolean {
    this.#bytes -= bytesOf(request);
    return --this.#operations === 0;
  }
}

export function bytesOf({ keyUnits, valueUnits }: Request): number {
  return keyUnits + valueUnits;
}
