import {
  BackendError,
  CorruptValueError,
  type ErrorDetails,
  type Outcome,
  SerializationError,
  StateError,
  UnsupportedOperationError,
} from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { OPERATION_NAMES, type Request } from "./request.js";

/** Codecs and helpers throw errors that know no place; this gives them the request's operation, key and backend. */
export function locateError(error: unknown, request: Request, backend: string, outcome?: Outcome): StateError {
  return placeError(error, OPERATION_NAMES[request.kind], request.key, backend, outcome);
}

/** The same for work that is not a request, such as a scan. */
export function placeError(
  error: unknown,
  operation: string,
  key: CanonicalKey | undefined,
  backend: string,
  outcome: Outcome = "not-applied",
): StateError {
  const place = { operation, backend, outcome, ...(key === undefined ? {} : { key }) };
  if (!(error instanceof StateError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new BackendError(message, { ...place, cause: error });
  }
  if (error.operation !== undefined) return error;
  const details: ErrorDetails = {
    ...place,
    retryable: error.retryable,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
    cause: error.cause ?? error,
  };
  switch (error.code) {
    case "CORRUPT_VALUE":
      return new CorruptValueError(error.message, details);
    case "SERIALIZATION":
      return new SerializationError(error.message, details);
    case "UNSUPPORTED":
      return new UnsupportedOperationError(error.message, details);
    default:
      return new BackendError(error.message, details);
  }
}
