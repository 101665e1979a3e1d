import { Batch } from "../../src/backends/batch.js";
import type { Request } from "../../src/backends/request.js";
import type { StateError } from "../../src/core/errors.js";

/** A batch whose readers get values as text, null, or the code of an error. */
export function collectingBatch(take: (leader: Request, result: string | null) => void): Batch {
  return new Batch({
    nowUs: () => 1,
    requestSucceeded: (_, leader, result) => take(leader, result === null ? null : String(result)),
    requestFailed: (_, leader, error: StateError) => take(leader, error.code),
    batchCompleted: () => {},
    defersDecoding: () => false,
  });
}
