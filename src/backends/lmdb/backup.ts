import { link, mkdir, mkdtemp, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BackendError } from "../../core/errors.js";
import { checkDataFile, DATA_FILE } from "./file-check.js";
import type { LmdbStore } from "./lmdb-store.js";

const UNFINISHED = ".unfinished";
/** What file systems without them answer; some shares of other machines are such. */
const NO_HARD_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/**
 * Copies the store, as it is committed now, into a directory that is new or empty; an engine opens it as any other. The
 * file bears its name only when it is whole and on the disk. Reading and writing go on meanwhile; pages that become free
 * are not used again before the end, so the file of a store with many writes grows.
 *
 * Each copy grows in a folder of its own, so that of several at once none writes into another's file. What a killed one
 * left cannot be told from what one that goes on has: either goes, which the latter reports as its failure. Because a
 * backup looks before it makes its own folder, never all of several remove each other's.
 *
 * @throws BackendError with reason ERR_BACKUP; what was written is removed
 */
export async function writeBackup(store: LmdbStore, directory: string): Promise<void> {
  let unfinished: string | undefined;
  try {
    await mkdir(directory, { recursive: true });
    for (const name of await leftovers(directory)) await remove(join(directory, name));
    unfinished = await mkdtemp(join(directory, `${UNFINISHED}-`));
    await store.copyTo(unfinished);
    await checkDataFile(unfinished);
    await sync(join(unfinished, DATA_FILE));
    await giveName(join(unfinished, DATA_FILE), join(directory, DATA_FILE));
    await remove(unfinished);
    await sync(directory);
  } catch (cause) {
    if (unfinished !== undefined) await remove(unfinished);
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new BackendError(`no backup was made at ${directory}: ${message}`, {
      operation: "backup",
      backend: "lmdb",
      reason: "ERR_BACKUP",
      cause,
    });
  }
}

/** Another backup may have come to its end before this one: unlike `rename`, `link` replaces nothing. */
async function giveName(copy: string, path: string): Promise<void> {
  try {
    await link(copy, path);
  } catch (error) {
    if (!NO_HARD_LINKS.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await leftovers(dirname(path));
    await rename(copy, path);
  }
}

/** The unfinished copies in a directory. @throws Error if there is anything else */
async function leftovers(directory: string): Promise<string[]> {
  const found = await readdir(directory);
  const other = found.find((name) => !name.startsWith(UNFINISHED));
  if (other !== undefined) throw new Error(`the directory is not empty: ${other}`);
  return found;
}

async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
