import type { RecentWrites } from "../replicas/recent-writes.js";
import type { BatchJob, JobOwner } from "./batch-job.js";
import { connectionError } from "./errors.js";
import type { LanePool } from "./lane-pool.js";
import type { Placement } from "./placement.js";

/** What follows when a batch has come to an end, or to the end of a part. */
export class JobEnds implements JobOwner {
  readonly #placement: Placement;
  readonly #pool: LanePool;
  readonly #writes: RecentWrites | undefined;
  readonly #place: string;

  constructor(placement: Placement, pool: LanePool, writes: RecentWrites | undefined, place: string) {
    this.#placement = placement;
    this.#pool = pool;
    this.#writes = writes;
    this.#place = place;
  }

  leftPrimary(job: BatchJob): void {
    const lane = this.#placement.laneOf(job);
    // Known as written before it is no longer known as being written.
    this.#noteWrites(job);
    this.#placement.leftLane(job);
    lane?.advance();
    this.#placement.advance();
  }

  unanswered(job: BatchJob): void {
    if (this.#pool.open === 0) {
      job.fail(connectionError(this.#place, "not connected"));
    } else {
      this.#placement.takeBack([job]);
      this.#placement.advance();
    }
  }

  ended(job: BatchJob): void {
    const lane = this.#placement.laneOf(job);
    if (job.hasWrites) this.#noteWrites(job);
    this.#placement.ended(job);
    lane?.advance();
    this.#placement.advance();
  }

  #noteWrites(job: BatchJob): void {
    const writes = this.#writes;
    if (writes !== undefined) job.forEachWrittenKey((key) => writes.add(key));
  }
}
