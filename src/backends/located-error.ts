import { BackendError, type Outcome, StateError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { Kind, OPERATION_NAMES, type Request } from "./request.js";

/**
 * Codecs and helpers throw errors that know no place, because they know no request; this gives them the request's
 * operation, key and backend.
 */
export function locateError(error: unknown, request: Request, backend: string, outcome?: Outcome): StateError {
  // A transaction has many keys and none of its own.
  const key = request.kind === Kind.transaction ? undefined : request.key;
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
  const details = {
    operation,
    backend,
    ...(key === undefined ? {} : { key }),
    ...(outcome === undefined ? {} : { outcome }),
  };
  if (error instanceof StateError) return error.concerning(details);
  return new BackendError(error instanceof Error ? error.message : String(error), { ...details, cause: error });
}
