import type { Batch } from "../backends/batch.js";
import type { Request } from "../backends/request.js";

/** Batches that were planned and are not completed, in the order in which they were handed over. */
export class BatchesInFlight {
  readonly #batches: Batch[] = [];
  /** Batches that were completed before an older one was. */
  #completedAhead: Batch[] = [];

  get count(): number {
    return this.#batches.length;
  }

  add(batch: Batch): void {
    this.#batches.push(batch);
  }

  /** Takes out a batch that is completed; gives the sequence of the oldest that is not, Infinity if there is none. */
  remove(batch: Batch): number {
    const index = this.#batches.indexOf(batch);
    if (index >= 0) this.#batches.splice(index, 1);
    const oldest = this.#batches[0]?.sequence ?? Number.POSITIVE_INFINITY;
    if (oldest < batch.sequence) this.#completedAhead.push(batch);
    if (index === 0 && this.#completedAhead.length > 0) {
      this.#completedAhead = this.#completedAhead.filter((ahead) => ahead.sequence > oldest);
    }
    return oldest;
  }

  replace(batch: Batch, replacement: Batch): void {
    this.#batches[this.#batches.indexOf(batch)] = replacement;
  }

  /** What is in flight now, whatever is completed meanwhile. */
  now(): readonly Batch[] {
    return [...this.#batches];
  }

  /** Whether a batch that was handed over after this one, and may have been executed, is of that kind. */
  someLater(batch: Batch, matches: (later: Batch) => boolean): boolean {
    const isLater = (other: Batch): boolean => other.sequence > batch.sequence && matches(other);
    return this.#batches.some(isLater) || this.#completedAhead.some(isLater);
  }

  holding(request: Request): Batch | undefined {
    return this.#batches.find((batch) => {
      let found = false;
      batch.forEachRequest((other) => {
        found ||= other === request;
      });
      return found;
    });
  }
}
