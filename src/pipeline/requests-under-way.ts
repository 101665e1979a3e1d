import type { Batch } from "../backends/batch.js";
import type { Driver } from "../backends/contract.js";
import type { Request } from "../backends/request.js";
import type { BatchesInFlight } from "./batches-in-flight.js";
import type { CodecStage } from "./codec-stage.js";
import type { RequestQueue } from "./request-queue.js";

/** Where requests are, as far as giving them up goes. */
export class RequestsUnderWay {
  readonly #driver: Driver;
  readonly #queue: RequestQueue;
  readonly #inFlight: BatchesInFlight;
  readonly #stage: CodecStage | undefined;

  constructor(driver: Driver, queue: RequestQueue, inFlight: BatchesInFlight, stage: CodecStage | undefined) {
    this.#driver = driver;
    this.#queue = queue;
    this.#inFlight = inFlight;
    this.#stage = stage;
  }

  forEachQueued(visit: (request: Request) => void): void {
    this.#queue.forEach(visit);
  }

  /** Frees what so many requests have left in the queue that were answered there. */
  dropAnswered(answered: number): void {
    this.#queue.dropAnswered(answered);
  }

  forEachBatch(visit: (batch: Batch, wasSent: boolean) => void): void {
    for (const batch of this.#inFlight.now()) visit(batch, !this.#isWaiting(batch));
  }

  /** The batch in which the request was handed to the driver; undefined: it was not, and now never will be. */
  sentBatchOf(request: Request): Batch | undefined {
    const batch = request.batchSequence === 0 ? undefined : this.#inFlight.find(request.batchSequence);
    if (batch === undefined || !this.#isWaiting(batch)) return batch;
    batch.isStale = true;
    return undefined;
  }

  /** Something in this batch was given up. */
  abandoned(batch: Batch): void {
    if (this.#isWaiting(batch)) batch.isStale = true;
    else this.#driver.abandon?.(batch);
  }

  /** True: the batch is not with the driver yet. */
  #isWaiting(batch: Batch): boolean {
    return this.#stage?.holds(batch) === true;
  }
}
