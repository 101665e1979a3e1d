import type { StateError } from "../core/errors.js";
import { Batch, type BatchOwner } from "./batch.js";
import type { Request } from "./request.js";

/** Answers for a batch whose parts are under way, each over a connection of its own. */
export class DividedBatch implements BatchOwner {
  readonly #batch: Batch;
  readonly #onEnded: () => void;
  #parts = 0;

  /** @param onEnded called when all parts have ended */
  constructor(batch: Batch, onEnded: () => void) {
    this.#batch = batch;
    this.#onEnded = onEnded;
  }

  /** @param owner hears first how the part fares, and passes on what is to count */
  newPart(owner: BatchOwner = this): Batch {
    this.#parts++;
    const part = new Batch(owner);
    part.mostTogether = this.#batch.mostTogether;
    return part;
  }

  nowUs(): number {
    return this.#batch.nowUs();
  }

  requestSucceeded(part: Batch, leader: Request, result: unknown): void {
    this.#batch.resultsAtUs = part.resultsAtUs;
    this.#batch.succeed(leader, result);
  }

  requestFailed(_part: Batch, leader: Request, error: StateError, withOthers: boolean): void {
    if (withOthers) this.#batch.refuseWithOthers(leader, error);
    else this.#batch.fail(leader, error);
  }

  defersDecoding(_part: Batch, rawBytes: number): boolean {
    return this.#batch.defersDecoding(rawBytes);
  }

  batchCompleted(part: Batch): void {
    for (const read of part.undecoded ?? []) this.#batch.succeedStored(read.leader, read.stored, read.keyChecksum);
    if (--this.#parts > 0) return;
    this.#batch.complete();
    this.#onEnded();
  }
}
