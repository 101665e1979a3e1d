import { CircuitOpenError, type ErrorDetails, QueueFullError, type StateError } from "../core/errors.js";

/** @param place which operation, on which store */
export function queueFull(place: ErrorDetails, pending: number, bytes: number): QueueFullError {
  return new QueueFullError(
    `${pending} operations of ${bytes} bytes are pending already (bounds: queue.maxPending, queue.maxBytes)`,
    { ...place, reason: "ERR_QUEUE_FULL", retryable: true },
  );
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
