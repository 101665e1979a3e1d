import { CircuitOpenError, type ErrorDetails, QueueFullError } from "../core/errors.js";

/** @param place which operation, on which store */
export function queueFull(place: ErrorDetails, maxPending: number): QueueFullError {
  return new QueueFullError(`${maxPending} operations are pending already (queue.maxPending)`, {
    ...place,
    reason: "ERR_QUEUE_FULL",
    retryable: true,
  });
}

/** @param probeInMs milliseconds until one operation may pass as a probe */
export function circuitOpen(place: ErrorDetails, probeInMs: number): CircuitOpenError {
  return new CircuitOpenError(`the store keeps failing; a probe may pass in ${probeInMs} ms`, {
    ...place,
    reason: "ERR_CIRCUIT_OPEN",
    retryable: true,
  });
}
