import { CircuitOpenError, type ErrorDetails, QueueFullError, type StateError } from "../core/errors.js";

/** @param place which operation, on which store */
export function queueFull(place: ErrorDetails, maxPending: number): QueueFullError {
  return new QueueFullError(`${maxPending} operations are pending already (queue.maxPending)`, {
    ...place,
    reason: "ERR_QUEUE_FULL",
    retryable: true,
  });
}

/**
 * @param probeInMs milliseconds until one operation may pass as a probe
 * @param cause the failure that opened the circuit
 */
export function circuitOpen(place: ErrorDetails, probeInMs: number, cause: StateError | undefined): CircuitOpenError {
  return new CircuitOpenError(`the store keeps failing; a probe may pass in ${probeInMs} ms`, {
    ...place,
    reason: "ERR_CIRCUIT_OPEN",
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
