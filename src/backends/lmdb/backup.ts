import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BackendError } from "../../core/errors.js";
import { checkDataFile, DATA_FILE } from "./file-check.js";
import type { LmdbStore } from "./lmdb-store.js";

const UNFINISHED = ".unfinished";

/**
 * Copies the store, as it is committed now, into a directory that is new or empty; an engine opens it as any other. The
 * file bears its name only when it is whole and on the disk. Reading and writing go on meanwhile; pages that become free
 * are not used again before the end, so the file of a store with many writes grows.
 *
 * @throws BackendError with reason ERR_BACKUP; what was written is removed
 */
export async function writeBackup(store: LmdbStore, directory: string): Promise<void> {
  const unfinished = join(directory, UNFINISHED);
  let isOurs = false;
  try {
    await mkdir(directory, { recursive: true });
    const found = await readdir(directory);
    if (found.length > 0) throw new Error(`the directory is not empty: ${found[0]}`);
    await mkdir(unfinished);
    isOurs = true;
    await store.copyTo(unfinished);
    await checkDataFile(unfinished);
    await sync(join(unfinished, DATA_FILE));
    await rename(join(unfinished, DATA_FILE), join(directory, DATA_FILE));
    await rm(unfinished, { recursive: true });
    await sync(directory);
  } catch (cause) {
    if (isOurs) await rm(unfinished, { recursive: true, force: true });
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new BackendError(`no backup was made at ${directory}: ${message}`, {
      operation: "backup",
      backend: "lmdb",
      reason: "ERR_BACKUP",
      cause,
    });
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
