import { statfs } from "node:fs/promises";
import { BackendError, type StateError } from "../../core/errors.js";

/** Below this, a failed write is put down to the full disk; LMDB itself only says EIO. */
const FULL_BELOW_BYTES = 1 << 20;

/**
 * Why a transaction was not committed. The library rejects with an error that carries a second rejected promise,
 * `commitError`, which must be listened to, or the process ends.
 */
export async function explainFailedCommit(error: unknown, path: string): Promise<StateError> {
  const cause = await causeOf(error);
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/MDB_MAP_FULL|ENOSPC|No space left/.test(message) || (await freeBytes(path)) < FULL_BELOW_BYTES) {
    // LMDB writes the new pages before the meta page that makes them count, and there is room for that one already.
    return new BackendError("the disk is full; nothing was written", {
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
  // It may be rejected much later or never (the library reports one reason for several commits).
  const reason = commitError.then(
    () => error,
    (cause: unknown) => cause,
  );
  return Promise.race([reason, new Promise((resolve) => setImmediate(resolve, error))]);
}

async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    // Not knowing is no evidence of a full disk; the commit error itself is still reported.
    return Number.POSITIVE_INFINITY;
  }
}
