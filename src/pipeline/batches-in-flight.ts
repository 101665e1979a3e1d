import type { Batch } from "../backends/batch.js";
import { Kind, type Request } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import { TouchedKeys } from "./touched-keys.js";

/** What is asked of a batch by one that was handed over before it. */
export interface KeysOfBatch {
  /** Whether it changes this key, or may. */
  writes(key: CanonicalKey): boolean;
  /** Whether it reads or changes this key. */
  touches(key: CanonicalKey): boolean;
}

/** Keys remembered for batches that one slow batch has not let go; what is beyond is taken to concern every key. */
const MAX_REMEMBERED_KEYS = 50_000;

/** Batches that were planned and are not completed, in the order in which they were handed over. */
export class BatchesInFlight {
  readonly #batches: Batch[] = [];
  /** Of batches that were completed before an older one was: their keys, for their values may be many. */
  #completedAhead: TouchedKeys[] = [];
  #rememberedKeys = 0;
  /** The last batch completed ahead whose keys are not remembered any more. */
  #lastForgotten = Number.NEGATIVE_INFINITY;

  get count(): number {
    return this.#batches.length;
  }

  /**
   * How many have something else than gets and contains, and were planned less than so long ago.
   * @param nowUs of the clock that their times are of
   */
  writingFor(nowUs: number, lessThanMs: number): number {
    let count = 0;
    for (const batch of this.#batches) {
      if (batch.isWriting && ((nowUs - batch.plannedAtUs) | 0) < lessThanMs * 1000) count++;
    }
    return count;
  }

  add(batch: Batch): void {
    this.#batches.push(batch);
  }

  /** Takes out a batch that is completed; gives the sequence of the oldest that is not, Infinity if there is none. */
  remove(batch: Batch): number {
    const batches = this.#batches;
    const index = batches.indexOf(batch);
    // Not by `splice`, which makes an array of what it takes out.
    if (index >= 0) {
      for (let at = index + 1; at < batches.length; at++) batches[at - 1] = batches[at]!;
      batches.pop();
    }
    const oldest = batches[0]?.sequence ?? Number.POSITIVE_INFINITY;
    if (oldest < batch.sequence) this.#remember(batch);
    if (index === 0 && this.#completedAhead.length > 0) this.#forgetUpTo(oldest);
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
  someLater(batch: Batch, matches: (later: KeysOfBatch) => boolean): boolean {
    if (this.#lastForgotten > batch.sequence) return true;
    const isLater = (other: Batch | TouchedKeys): boolean => other.sequence > batch.sequence && matches(other);
    return this.#batches.some(isLater) || this.#completedAhead.some(isLater);
  }

  /**
   * The first read under way that was handed over after this batch and will answer the same: a get of the key, or for a
   * contains one of either kind.
   */
  laterRead(batch: Batch, kind: Kind, key: CanonicalKey): Request | undefined {
    for (const later of this.#batches) {
      if (later.sequence <= batch.sequence || !later.touches(key)) continue;
      const answers = (request: Request): boolean =>
        request.key === key && request.batchSequence === later.sequence && !request.settled && !request.isReturning;
      const read = later.reads.find(answers) ?? (kind === Kind.contains ? later.probes.find(answers) : undefined);
      if (read !== undefined) return read;
    }
    return undefined;
  }

  /** The batch with this sequence, if it is in flight. */
  find(sequence: number): Batch | undefined {
    return this.#batches.find((batch) => batch.sequence === sequence);
  }

  #remember(batch: Batch): void {
    const keys = new TouchedKeys(batch);
    this.#rememberedKeys += keys.count;
    if (this.#rememberedKeys <= MAX_REMEMBERED_KEYS) {
      this.#completedAhead.push(keys);
      return;
    }
    for (const { sequence } of [...this.#completedAhead, keys]) {
      this.#lastForgotten = Math.max(this.#lastForgotten, sequence);
    }
    this.#completedAhead = [];
    this.#rememberedKeys = 0;
  }

  #forgetUpTo(sequence: number): void {
    this.#completedAhead = this.#completedAhead.filter((ahead) => ahead.sequence > sequence);
    this.#rememberedKeys = this.#completedAhead.reduce((sum, { count }) => sum + count, 0);
  }
}
