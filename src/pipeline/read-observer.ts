import type { Batch } from "../backends/batch.js";
import type { Request } from "../backends/request.js";
import type { StateError } from "../core/errors.js";

/** Answers reads that failed, where the caller chose that they be answered all the same. */
export interface FailedReads {
  /** `NO_ANSWER`: the error is given. */
  insteadOf(request: Request, error: StateError): unknown;
}

/** Follows the requests of a pipeline for a tier that keeps what reads have found. All of it is told as it happens. */
export interface ReadObserver {
  /**
   * A request was called and will be sent. Returns a read of the same key that is with the store, whose answer will do
   * for this one too: it is not sent then.
   */
  called(request: Request): Request | undefined;
  /** From now on the reads of this batch may be returned by `called`. */
  handedOver(batch: Batch): void;
  /** The store's own answer to a request. A Buffer belongs to the caller: what is kept of it must be copied now. */
  answered(request: Request, result: unknown): void;
  /** The store's answer to this request will not come now: it failed, is sent again, or was answered otherwise. */
  unanswered(request: Request): void;
}
