import { statfsSync } from "node:fs";
import { BackendError, ConnectionError } from "../../core/errors.js";
import { keyByteLength } from "../../core/key.js";
import type { Value } from "../../core/value.js";
import type { Batch } from "../batch.js";
import { Kind, type TransactionStep } from "../request.js";

/*
 * A page write that fails must not happen: LMDB as of lmdb-js 3.5.6 formats its message about it into a buffer of 100
 * bytes that is too short (`mdb_page_flush`), which corrupts the heap and may end the process later. So the room is
 * looked at before every transaction, and one that might not fit is refused. Not covered: quotas and file size limits
 * that the file system does not show as free space (see `LmdbOptions.freeBytes`).
 */

/** What one write may cost at most: the path from leaf to root in both trees, copied. */
const BYTES_PER_WRITE = 8 * 4096;
/** Kept free of puts, so that deletes and clearing find room on a full disk, and other programs may write meanwhile. */
const RESERVE_BYTES = 4 << 20;
const MAINTENANCE_BYTES = 1 << 20;

/** What a put adds beside its key and value: record header, node, its place in the page; and the same in the index. */
const BYTES_PER_RECORD = 64;
/** Pages are between half and quite full. Longer values lie in pages of their own, of which the last is partly used. */
const PAGE_OVERHEAD = 2;
const PAGE_BYTES = 4096;
/** What a UTF-16 unit takes as UTF-8 at most; text is measured only where that might be too much. */
const BYTES_PER_UNIT = 3;

export function freeBytesOfVolume(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    // A file system that cannot tell must not stop all writes; failed commits are still reported.
    return Number.POSITIVE_INFINITY;
  }
}

/**
 * @param usedBytes of the store's trees, asked only when the first bound does not settle it
 * @throws BackendError with reason ERR_FULL
 */
export function requireRoom(freeBytes: number, usedBytes: () => number, batches: readonly Batch[]): void {
  const hasPuts = batches.some(
    ({ puts, expiringPuts, others }) => puts.length + expiringPuts.length + others.length > 0,
  );
  const reserve = hasPuts ? RESERVE_BYTES : 0;
  let needed = neededBytes(batches, mostBytes);
  if (freeBytes >= needed + reserve) return;
  needed = neededBytes(batches, exactBytes);
  if (freeBytes < needed + reserve) {
    // Writes that lie close together copy the same pages: no more than there are.
    let added = 0;
    for (const batch of batches) added += PAGE_OVERHEAD * (exactBytes(batch) + writesOf(batch) * BYTES_PER_RECORD);
    needed = Math.min(needed, usedBytes() + added);
  }
  refuseBelow(needed + reserve, freeBytes);
}

function neededBytes(batches: readonly Batch[], bytesOf: (batch: Batch) => number): number {
  let needed = 0;
  for (const batch of batches) needed += writesOf(batch) * BYTES_PER_WRITE + PAGE_OVERHEAD * bytesOf(batch);
  return needed;
}

/**
 * LMDB ends the process where it finds no room for the files of a new store.
 * @throws ConnectionError with reason ERR_OPEN
 */
export function requireRoomForStore(freeBytes: number): void {
  if (freeBytes >= MAINTENANCE_BYTES) return;
  throw new ConnectionError(
    `${freeBytes} bytes are free on the disk; to make a store there have to be ${MAINTENANCE_BYTES}`,
    { reason: "ERR_OPEN", backend: "lmdb" },
  );
}

/** @throws BackendError with reason ERR_FULL */
export function requireRoomForMaintenance(freeBytes: number): void {
  refuseBelow(MAINTENANCE_BYTES, freeBytes);
}

/**
 * Refuses puts that might take a store beyond its quota. What other processes add at the same time is not seen before
 * their commit.
 * @throws BackendError with reason ERR_FULL
 */
export function requireQuota(maxBytes: number, usedBytes: number, batches: readonly Batch[]): void {
  if (usedBytes + addedBytes(batches, mostBytes) <= maxBytes) return;
  const added = addedBytes(batches, exactBytes);
  if (added === 0 || usedBytes + added <= maxBytes) return;
  throw new BackendError(
    `the store takes ${usedBytes} of its ${maxBytes} bytes and the writes may need ${added}; nothing was written`,
    { reason: "ERR_FULL", outcome: "not-applied" },
  );
}

function addedBytes(batches: readonly Batch[], bytesOf: (batch: Batch) => number): number {
  let added = 0;
  for (const batch of batches) {
    const { puts, expiringPuts, others } = batch;
    const records = puts.length + expiringPuts.length + others.length + furtherSteps(batch);
    if (records === 0) continue;
    const bytes = bytesOf(batch);
    // Both are bounds, the second the tighter one for long values.
    added += Math.min(PAGE_OVERHEAD * (bytes + records * BYTES_PER_RECORD), bytes + records * PAGE_BYTES);
  }
  return added;
}

function writesOf(batch: Batch): number {
  return batch.size + furtherSteps(batch);
}

/** Steps of transactions beyond the first of each: a transaction counts as one operation. */
function furtherSteps({ others }: Batch): number {
  let steps = 0;
  for (const { kind, detail } of others) {
    if (kind === Kind.transaction) steps += (detail as readonly TransactionStep[]).length - 1;
  }
  return steps;
}

function mostBytes({ bytes }: Batch): number {
  return bytes * BYTES_PER_UNIT;
}

function exactBytes(batch: Batch): number {
  let bytes = 0;
  batch.forEachLeader(({ kind, key, value, detail }) => {
    if (kind !== Kind.transaction) {
      bytes += keyByteLength(key) + valueBytes(value);
      return;
    }
    for (const step of detail as readonly TransactionStep[]) {
      bytes += keyByteLength(step.key) + (step.type === "put" ? valueBytes(step.value) : 0);
    }
  });
  return bytes;
}

function valueBytes(value: Value | undefined): number {
  if (value === undefined) return 0;
  return typeof value === "string" ? Buffer.byteLength(value) : value.length;
}

function refuseBelow(neededBytes: number, freeBytes: number): void {
  if (freeBytes >= neededBytes) return;
  throw new BackendError(
    `${freeBytes} bytes are free on the disk and the write may need ${neededBytes}; nothing was written`,
    { reason: "ERR_FULL", outcome: "not-applied" },
  );
}
