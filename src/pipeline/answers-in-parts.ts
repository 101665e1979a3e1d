import type { Batch } from "../backends/batch.js";
import type { Request } from "../backends/request.js";
import type { EventLoop } from "../core/event-loop.js";

/** Below so many batches in flight more are worth sending. */
export const FEW_IN_FLIGHT = 5;
/** A batch with more than this part of all that is pending is answered in as many. */
const PARTS = 5;
/** No batch of more: it is work enough for either side. */
const MOST_IN_PARTS = 256;
const SMALLEST_PART = 2;

/**
 * Gives the callers of a batch their answers in parts, and lets those of one part go on before the next has its. What
 * they call leaves as a batch between two parts, so several small batches are under way instead of one with
 * everything, for which each side sleeps while the other works; being woken costs more than the work. Whatever a
 * caller calls without awaiting stays together.
 *
 * Measured on Redis over loopback: a get at 10 in flight takes 71 us at the median instead of 103, at 30 in flight 70
 * instead of 130; with thirds and quarters, two to eight batches, 70 to 100 at both. From some hundred in flight on there
 * is no difference.
 */
export class AnswersInParts {
  readonly #loop: EventLoop;
  readonly #give: (request: Request, result: unknown, batch: Batch) => void;
  readonly #onPart: () => void;
  readonly #requests: Request[] = [];
  readonly #results: unknown[] = [];
  readonly #batches: Batch[] = [];
  #given = 0;
  #partSize = 0;
  /** Its answers have not all been given. */
  isHolding = false;

  /**
   * @param give resolves the caller's promise
   * @param onPart called when the callers of a part have gone on
   */
  constructor(loop: EventLoop, give: (request: Request, result: unknown, batch: Batch) => void, onPart: () => void) {
    this.#loop = loop;
    this.#give = give;
    this.#onPart = onPart;
  }

  /** Has the batch answered in parts if its callers would otherwise fill the next one with nearly all there is again. */
  choose(batch: Batch, pending: number): void {
    const { size } = batch;
    if (size <= SMALLEST_PART || size > MOST_IN_PARTS) return;
    // Callers who have settled and do not know it yet will call again.
    const waiting = this.#requests.length - this.#given;
    batch.isAnsweredInParts = size * PARTS > pending + waiting;
  }

  hold(request: Request, result: unknown, batch: Batch): void {
    this.#requests.push(request);
    this.#results.push(result);
    this.#batches.push(batch);
    if (this.isHolding) return;
    this.isHolding = true;
    this.#loop.inThisTurn(this.#begin);
  }

  /** Gives all that is left at once, in its order. */
  giveAll(): void {
    this.#giveUntil(this.#requests.length);
    this.#requests.length = 0;
    this.#results.length = 0;
    this.#batches.length = 0;
    this.#given = 0;
    this.isHolding = false;
  }

  #giveUntil(end: number): void {
    while (this.#given < end) {
      const at = this.#given++;
      this.#give(this.#requests[at]!, this.#results[at], this.#batches[at]!);
    }
  }

  readonly #begin = (): void => {
    if (!this.isHolding) return;
    this.#partSize = Math.max(SMALLEST_PART, Math.ceil(this.#requests.length / PARTS));
    this.#givePart();
  };

  #givePart(): void {
    const until = this.#given + this.#partSize;
    if (until >= this.#requests.length) {
      this.giveAll();
      return;
    }
    this.#giveUntil(until);
    // Behind the promises of this part: once all that goes on because of them has done so.
    this.#loop.asPromisesDo(this.#awaitCallers);
  }

  readonly #awaitCallers = (): void => this.#loop.inThisTurn(this.#next);

  readonly #next = (): void => {
    if (!this.isHolding) return;
    this.#onPart();
    this.#givePart();
  };
}
