import { BackendError, StateError } from "../../core/errors.js";

const NO_ROOM = /MDB_MAP_FULL|ENOSPC|No space left|EFBIG|File too large|EDQUOT|quota exceeded/i;

/**
 * Why a transaction was not committed. The library rejects with an error that carries a second rejected promise,
 * `commitError`, which must be listened to, or the process ends.
 */
export async function explainFailedCommit(error: unknown): Promise<StateError> {
  if (error instanceof StateError) return error;
  const cause = await causeOf(error);
  const message = cause instanceof Error ? cause.message : String(cause);
  if (NO_ROOM.test(message)) {
    // LMDB writes the new pages before the meta page that makes them count, and there is room for that one already.
    return new BackendError("there is no room left on the disk; nothing was written", {
      reason: "ERR_FULL",
      outcome: "not-applied",
      cause,
    });
  }
  return new BackendError(`the transaction was not committed: ${message}`, {
    reason: "ERR_COMMIT",
    outcome: "unknown",
    cause,
  });
}

async function causeOf(error: unknown): Promise<unknown> {
  const commitError: unknown = error instanceof Error && "commitError" in error ? error.commitError : undefined;
  if (!(commitError instanceof Promise)) return error;
  // It may be rejected later or never (the library reports one reason for several commits).
  const reason = commitError.then(
    () => error,
    (cause: unknown) => cause,
  );
  return Promise.race([reason, new Promise((resolve) => setImmediate(resolve, error))]);
}
