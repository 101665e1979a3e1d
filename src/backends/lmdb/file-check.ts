import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ConnectionError } from "../../core/errors.js";
import { findTreeDamage } from "./tree-check.js";

/*
 * LMDB maps its file and trusts it: opening one that is truncated or is no LMDB file ends the process with SIGSEGV or
 * SIGBUS, and a page that was overwritten ends it later. So what it will trust is read first: the meta pages, and the
 * trees of pages below the newest one. Layout (64-bit, as in the LMDB of lmdb-js 3): two meta pages, each with a header
 * of 24 bytes, then
 *   24 u32 magic   28 u32 version   48 u32 page size (first page only matters)
 *   48 tree of free pages   96 tree of databases (48 bytes each)   144 u64 last page   152 u64 transaction
 */
export const DATA_FILE = "data.mdb";
/** Two meta pages, the tree of databases and the first page of each; LMDB's files never become shorter. */
const LEAST_BYTES = [
  [DATA_FILE, 5 * 4096],
  ["lock.mdb", 1],
] as const;
const MAGIC = 0xbeefc0de;
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;
const FREE_TREE_AT = 48;
const MAIN_TREE_AT = 96;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
const META_BYTES = 160;
/** 256 MiB of 4 KiB pages, about a quarter of a second; of a larger file the upper part of its trees is looked at. */
const MAX_CHECKED_PAGES = 65_536;
/** Another process may be creating the file right now; it takes it well below a millisecond. */
const ATTEMPTS = 4;
const ATTEMPT_DELAY_MS = 25;

/**
 * Passes if there is no data file in `directory` or a whole one.
 * @throws ConnectionError with reason ERR_DAMAGED_FILE
 */
export async function checkDataFile(directory: string): Promise<void> {
  const path = join(directory, DATA_FILE);
  for (let attempt = 1; ; attempt++) {
    const damage = await findDamage(path);
    if (damage === undefined) return;
    if (attempt === ATTEMPTS) {
      throw new ConnectionError(
        `${path} is damaged (${damage}); restore it from a backup or checkpoint, or move it away to start empty`,
        { reason: "ERR_DAMAGED_FILE", backend: "lmdb" },
      );
    }
    await delay(ATTEMPT_DELAY_MS);
  }
}

/** Whether a store can be opened there without a write to its files. */
export async function isStoreComplete(directory: string): Promise<boolean> {
  for (const [name, leastBytes] of LEAST_BYTES) {
    try {
      if ((await stat(join(directory, name))).size < leastBytes) return false;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  }
  return true;
}

async function findDamage(path: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { size } = await file.stat();
    // As LMDB sees it: made, and left before anything was written, as when the process or the power ended just then.
    if (size === 0) return undefined;
    const first = Buffer.alloc(META_BYTES);
    await file.read(first, 0, META_BYTES, 0);
    if (size < META_BYTES || first.readUInt32LE(MAGIC_AT) !== MAGIC) return "it does not begin like an LMDB file";
    const pageBytes = first.readUInt32LE(PAGE_SIZE_AT);
    if (pageBytes < 256 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) return "its page size is wrong";
    if (size < 2 * pageBytes) return "it ends inside its meta pages";
    const second = Buffer.alloc(META_BYTES);
    await file.read(second, 0, META_BYTES, pageBytes);
    if (second.readUInt32LE(MAGIC_AT) !== MAGIC) return "its second meta page is wrong";
    const newest = transactionOf(first) >= transactionOf(second) ? first : second;
    const lastPage = Math.max(lastPageOf(first), lastPageOf(second));
    // The size is asked for again: the file may have grown since, with the meta page read after that.
    const pages = Math.floor((await file.stat()).size / pageBytes);
    const isShort = pages <= lastPage;
    const trees = [FREE_TREE_AT, MAIN_TREE_AT].map((at) => newest.subarray(at, at + MAIN_TREE_AT - FREE_TREE_AT));
    // Pages that a transaction took and gave back were never written: a file may end before the last page, but not before
    // one that is in use. Which are in use is only known when all trees have been walked.
    const walked = { file, pageBytes, lastPage: Math.min(lastPage, pages - 1) };
    const damage = await findTreeDamage(walked, trees, isShort ? Number.POSITIVE_INFINITY : MAX_CHECKED_PAGES);
    // A process that writes meanwhile uses pages anew that the transaction we walked had; and it has opened the file.
    if (damage === undefined || (await hasMovedOn(file, pageBytes, transactionOf(newest)))) return undefined;
    return isShort ? `${damage}; it has ${pages} pages of ${lastPage + 1}` : damage;
  } finally {
    await file.close();
  }
}

function lastPageOf(meta: Buffer): number {
  return Number(meta.readBigUInt64LE(LAST_PAGE_AT));
}

function transactionOf(meta: Buffer): number {
  return Number(meta.readBigUInt64LE(TRANSACTION_AT));
}

async function hasMovedOn(file: FileHandle, pageBytes: number, transaction: number): Promise<boolean> {
  const metas = [Buffer.alloc(META_BYTES), Buffer.alloc(META_BYTES)];
  for (const [page, meta] of metas.entries()) await file.read(meta, 0, META_BYTES, page * pageBytes);
  return metas.some((meta) => transactionOf(meta) > transaction);
}
