import {
  BackendError,
  ClosedError,
  CorruptValueError,
  type ErrorDetails,
  type Outcome,
  SerializationError,
  StateError,
  UnsupportedOperationError,
} from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { OPERATION_NAMES, type Request } from "./request.js";

/**
 * Codecs and helpers throw errors that know no place, because they know no request; this gives them the request's
 * operation, key and backend.
 */
export function locateError(error: unknown, request: Request, backend: string, outcome?: Outcome): StateError {
  // A transaction has many keys and none of its own.
  const key = request.key === "" ? undefined : request.key;
  return placeError(error, OPERATION_NAMES[request.kind], key, backend, outcome);
}

/** The same for work that is not a request, such as a scan. */
export function placeError(
  error: unknown,
  operation: string,
  key: CanonicalKey | undefined,
  backend: string,
  outcome?: Outcome,
): StateError {
  const place = { operation, backend, ...(key === undefined ? {} : { key }) };
  if (!(error instanceof StateError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new BackendError(message, { ...place, outcome: outcome ?? "not-applied", cause: error });
  }
  const details: ErrorDetails = {
    ...place,
    outcome: outcome ?? error.outcome,
    retryable: error.retryable,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  };
  switch (error.code) {
    case "CORRUPT_VALUE":
      return new CorruptValueError(error.message, details);
    case "SERIALIZATION":
      return new SerializationError(error.message, details);
    case "UNSUPPORTED":
      return new UnsupportedOperationError(error.message, details);
    case "CLOSED":
      return new ClosedError(error.message, details);
    default:
      return new BackendError(error.message, details);
  }
}
