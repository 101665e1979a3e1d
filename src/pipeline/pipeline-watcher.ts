import type { Batch } from "../backends/batch.js";
import type { Request } from "../backends/request.js";
import type { StateError } from "../core/errors.js";
import type { CircuitState } from "./circuit-breaker.js";

/** Where the time of one batch went, in microseconds. */
export interface BatchPhases {
  readonly codecUs: number;
  readonly storeUs: number;
  readonly decodeUs: number;
}

/** Is told of what is rare. Must not throw, and must not call the engine before it has returned. */
export interface PipelineWatcher {
  /** Microseconds from which on an operation is slow. */
  readonly slowUs: number;
  /** An operation succeeded, slowly. */
  slow(request: Request, batch: Batch, phases: BatchPhases, elapsedUs: number): void;
  /** An operation failed for good. @param batch in which it was sent last, where that is known */
  failed(request: Request, error: StateError, elapsedUs: number, batch: Batch | undefined): void;
  /** An operation, and those that share its fate, will be sent again. */
  retried(leader: Request, error: StateError, count: number): void;
  circuitChanged(from: CircuitState, to: CircuitState): void;
}
