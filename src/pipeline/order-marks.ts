import { Ring } from "../core/ring.js";

interface OrderMark {
  /** Reached when so many requests have left the queue. */
  readonly position: number;
  /** Nothing may be in flight when it runs, and nothing may leave until it says so. */
  readonly alone: boolean;
  readonly run: () => void;
}

interface ReachedFlush {
  sequence: number;
  readonly run: () => void;
}

const INITIAL_CAPACITY = 16;

/** Points in the order of calls at which something happens: the ends of flushes and work that must run alone. */
export class OrderMarks {
  readonly #marks = new Ring<OrderMark>(INITIAL_CAPACITY);
  /** Flushes that were reached and wait for the batches in flight at that time. */
  readonly #flushes = new Ring<ReachedFlush>(INITIAL_CAPACITY);

  get waiting(): boolean {
    return this.#marks.size > 0;
  }

  /** Nobody waits for anything that has been called. */
  get isEmpty(): boolean {
    return this.#marks.size === 0 && this.#flushes.size === 0;
  }

  add(position: number, alone: boolean, run: () => void): void {
    this.#marks.push({ position, alone, run });
  }

  /** True: the next request was called after a mark that has not been passed. */
  blocks(taken: number): boolean {
    return this.#marks.size > 0 && taken >= this.#marks.peek()!.position;
  }

  /** Passes the marks that can be; true if work that must be alone was begun. */
  pass(taken: number, batchesInFlight: number, lastSequence: number): boolean {
    while (this.blocks(taken)) {
      const mark = this.#marks.peek()!;
      if (mark.alone) {
        if (batchesInFlight > 0) return false;
        this.#marks.shift();
        mark.run();
        return true;
      }
      this.#marks.shift();
      if (batchesInFlight === 0) mark.run();
      else this.#flushes.push({ sequence: lastSequence, run: mark.run });
    }
    return false;
  }

  /** Requests are about to come back to the front of the queue: flushes that were passed wait for them as well. */
  waitAgain(position: number): void {
    const again: OrderMark[] = [];
    for (let flush = this.#flushes.shift(); flush !== undefined; flush = this.#flushes.shift()) {
      again.push({ position, alone: false, run: flush.run });
    }
    this.#marks.unshiftAll(again);
  }

  /** Something of this batch ends with a later one: flushes that wait for the former wait for the latter. */
  waitForLater(sequence: number, laterSequence: number): void {
    this.#flushes.forEach((flush) => {
      if (flush.sequence >= sequence && flush.sequence < laterSequence) flush.sequence = laterSequence;
    });
  }

  /** Ends the flushes that waited for batches up to the oldest that is still in flight. */
  batchesCompletedBefore(oldestSequence: number): void {
    while (this.#flushes.size > 0 && this.#flushes.peek()!.sequence < oldestSequence) this.#flushes.shift()!.run();
  }

  /** Runs whatever is left; for closing. */
  passAll(): void {
    for (let flush = this.#flushes.shift(); flush !== undefined; flush = this.#flushes.shift()) flush.run();
    for (let mark = this.#marks.shift(); mark !== undefined; mark = this.#marks.shift()) mark.run();
  }
}
