import type { CanonicalKey } from "../../core/key.js";
import type { BatchChoice } from "../batch.js";
import type { BatchJob } from "./batch-job.js";
import type { KeyFilter } from "./key-filter.js";
import type { Lane } from "./lane.js";

/** A class, as `shortLivedList` says of literals. */
export class Placed {
  readonly job: BatchJob;
  readonly lane: Lane;

  constructor(job: BatchJob, lane: Lane) {
    this.job = job;
    this.lane = lane;
  }
}

/** Of the batch that is planned next: where it is to go, and so which keys it may have, for none is under way elsewhere. */
export class LaneChoice implements BatchChoice {
  readonly lane: Lane;
  readonly #elsewhere: readonly Placed[];
  readonly #readElsewhere: KeyFilter;
  readonly #writerOf: ((key: CanonicalKey, hash: number) => Lane | undefined) | undefined;

  /**
   * @param elsewhere batches on other lanes
   * @param filter to be filled here; of use until it is for the next
   * @param writerOf where the key is being written; undefined: nothing is anywhere
   */
  constructor(
    lane: Lane,
    elsewhere: readonly Placed[],
    filter: KeyFilter,
    writerOf: ((key: CanonicalKey, hash: number) => Lane | undefined) | undefined,
  ) {
    this.lane = lane;
    this.#elsewhere = elsewhere;
    this.#readElsewhere = filter;
    this.#writerOf = writerOf;
    filter.clear();
    for (const { job } of elsewhere) job.addReadKeys(filter);
  }

  suits(key: CanonicalKey, hash: number): boolean {
    const writer = this.#writerOf?.(key, hash);
    if (writer !== undefined) return writer === this.lane;
    if (!this.#readElsewhere.mayHave(hash)) return true;
    for (const { job } of this.#elsewhere) if (job.readsAtPrimary(key, hash)) return false;
    return true;
  }
}
