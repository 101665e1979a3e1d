import { BackendError, InvalidArgumentError, type Outcome, StateError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { hasLostMemory } from "../core/value.js";
import type { Batch } from "./batch.js";
import { Kind, OPERATION_NAMES, type Request, valuesOf } from "./request.js";

/**
 * Codecs and helpers throw errors that know no place, because they know no request; this gives them the request's
 * operation, key and backend.
 */
export function locateError(error: unknown, request: Request, backend: string, outcome?: Outcome): StateError {
  // A transaction has many keys and none of its own.
  const key = request.kind === Kind.transaction ? undefined : request.key;
  const cause = error instanceof StateError || !hasLostValue(request) ? error : lostValue(error);
  return placeError(cause, OPERATION_NAMES[request.kind], key, backend, outcome);
}

/** A value of it was given as bytes whose memory was transferred away since the call. */
export function hasLostValue(request: Request): boolean {
  return valuesOf(request).some((value) => typeof value !== "string" && hasLostMemory(value));
}

export function lostValue(cause?: unknown): InvalidArgumentError {
  const message = "the value's memory was transferred away before the operation had ended; copy it first";
  return new InvalidArgumentError(message, { reason: "ERR_VALUE_UNSTABLE", cause });
}

/**
 * Takes out of a batch what could not be written down because its value was lost, and fails it; false: there is none
 * such, and the error is of something else.
 */
export function takeOutLost(batch: Batch, error: unknown, backend: string): boolean {
  const lost = new Set(batch.leaders().filter(hasLostValue));
  if (lost.size === 0) return false;
  batch.takeOut(lost);
  for (const request of lost) batch.fail(request, locateError(error, request, backend, "not-applied"));
  return true;
}

/** The same for work that is not a request, such as a scan. */
export function placeError(
  error: unknown,
  operation: string,
  key: CanonicalKey | undefined,
  backend: string,
  outcome?: Outcome,
): StateError {
  const details = {
    operation,
    backend,
    ...(key === undefined ? {} : { key }),
    ...(outcome === undefined ? {} : { outcome }),
  };
  if (error instanceof StateError) return error.concerning(details);
  return new BackendError(error instanceof Error ? error.message : String(error), { ...details, cause: error });
}
