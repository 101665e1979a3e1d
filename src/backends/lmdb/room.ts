import { statfsSync } from "node:fs";
import { BackendError, ConnectionError } from "../../core/errors.js";
import type { Batch } from "../batch.js";
import type { Request } from "../request.js";
import { forEachWrite, type RecordBytesOf, WriteCost } from "./write-cost.js";

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

export function freeBytesOfVolume(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    // A file system that cannot tell must not stop all writes; failed commits are still reported.
    return Number.POSITIVE_INFINITY;
  }
}

export interface RoomLimits {
  /** Bytes the store may still grow by on its volume. */
  readonly freeBytes: () => number;
  /** Bytes its entries may take. What other processes add at the same time is not seen before their commit. */
  readonly maxBytes: number;
}

/** What there is already. */
export interface StoredBytes {
  /** Of the store's trees. */
  usedBytes(): number;
  recordBytes: RecordBytesOf;
}

/** Whether what is to be written finds room, on the disk and within the quota. */
export class Room {
  readonly #limits: RoomLimits;
  readonly #stored: StoredBytes;

  constructor(limits: RoomLimits, stored: StoredBytes) {
    this.#limits = limits;
    this.#stored = stored;
  }

  /** False: some of it might not. */
  suffices(batches: readonly Batch[]): boolean {
    const freeBytes = this.#limits.freeBytes();
    const most = new WriteCost(this.#stored.recordBytes);
    for (const batch of batches) most.addMost(batch);
    if (this.#lack(most, freeBytes) === undefined) return true;
    const exact = new WriteCost(this.#stored.recordBytes);
    for (const batch of batches) forEachWrite(batch, (request) => exact.add(request));
    return this.#lack(exact, freeBytes) === undefined;
  }

  /** Tells `refuse` of the requests that find no room beside those that do. What removes something comes before what adds. */
  share(batch: Batch, refuse: (request: Request, error: BackendError) => void): void {
    const freeBytes = this.#limits.freeBytes();
    let taken = new WriteCost(this.#stored.recordBytes);
    forEachWrite(batch, (request) => {
      const wanted = taken.copy();
      wanted.add(request);
      const lack = this.#lack(wanted, freeBytes);
      if (lack === undefined) taken = wanted;
      else refuse(request, lack);
    });
  }

  #lack(cost: WriteCost, freeBytes: number): BackendError | undefined {
    return this.#lackOnDisk(cost, freeBytes) ?? this.#lackInQuota(cost);
  }

  #lackOnDisk(cost: WriteCost, freeBytes: number): BackendError | undefined {
    const { writes } = cost;
    const bytes = cost.bytes + cost.rewritten;
    const reserve = cost.growing > 0 ? RESERVE_BYTES : 0;
    let needed = writes * BYTES_PER_WRITE + PAGE_OVERHEAD * bytes + reserve;
    if (freeBytes >= needed) return undefined;
    // Writes that lie close together copy the same pages: no more than there are.
    const added = PAGE_OVERHEAD * (bytes + writes * BYTES_PER_RECORD);
    needed = Math.min(needed, this.#stored.usedBytes() + added + reserve);
    return freeBytes >= needed ? undefined : diskFull(freeBytes, needed);
  }

  #lackInQuota({ growing, bytes }: WriteCost): BackendError | undefined {
    const { maxBytes } = this.#limits;
    if (growing === 0 || maxBytes === Number.POSITIVE_INFINITY) return undefined;
    // Both are bounds, the second the tighter one for long values.
    const added = Math.min(PAGE_OVERHEAD * (bytes + growing * BYTES_PER_RECORD), bytes + growing * PAGE_BYTES);
    const usedBytes = this.#stored.usedBytes();
    if (usedBytes + added <= maxBytes) return undefined;
    return noRoom(`the store takes ${usedBytes} of its ${maxBytes} bytes and what is to be written may need ${added}`);
  }
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

/**
 * How many records may be removed in one transaction, wherever they lie.
 * @throws BackendError with reason ERR_FULL
 */
export function removalsThatFit(freeBytes: number): number {
  if (freeBytes < MAINTENANCE_BYTES) throw diskFull(freeBytes, MAINTENANCE_BYTES);
  return Math.floor(freeBytes / BYTES_PER_WRITE);
}

function diskFull(freeBytes: number, neededBytes: number): BackendError {
  return noRoom(`${freeBytes} bytes are free on the disk and what is to be written may need ${neededBytes}`);
}

function noRoom(message: string): BackendError {
  return new BackendError(`${message}; it was not written`, { reason: "ERR_FULL", outcome: "not-applied" });
}
