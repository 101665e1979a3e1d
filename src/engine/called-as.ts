import { StateError } from "../core/errors.js";

/** A store names the steps that it takes itself, such as a scan; a caller knows the operation that was called. */
export function calledAs(error: unknown, operation: string): unknown {
  if (!(error instanceof StateError) || error.operation === operation) return error;
  return error.concerning({ operation, ...(error.key === undefined ? {} : { key: error.key }) });
}
