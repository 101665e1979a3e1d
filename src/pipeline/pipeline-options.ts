import type { CircuitOptions } from "./circuit-breaker.js";
import type { PendingBounds } from "./pending-work.js";
import type { PipelineWatcher } from "./pipeline-watcher.js";
import type { FailedReads, ReadObserver } from "./read-observer.js";
import type { RetryOptions } from "./retry-policy.js";

export interface PipelineOptions extends PendingBounds {
  /** Caller operations in one batch at most. */
  readonly maxSize: number;
  /** Bytes of keys and values in one batch; a single larger operation travels alone. */
  readonly maxBytes: number;
  /** Batches in flight at most; the driver may want fewer. */
  readonly maxInFlight: number;
  /** Milliseconds a batch waits for company; 0: it leaves in the turn of the event loop in which it began. */
  readonly lingerMs: number;
  readonly overflow: "wait" | "reject";
  /** Default milliseconds from a call to its settling. */
  readonly operationMs: number;
  readonly retry: RetryOptions;
  readonly circuitBreaker: CircuitOptions | false;
  readonly watcher?: PipelineWatcher;
  /** Who keeps what reads have found. */
  readonly reads?: ReadObserver | undefined;
  readonly failedReads?: FailedReads | undefined;
}
