import { type Room, Rooms, type SharedKernel } from "./shared-memory.js";

export const SCANNING_REGION_BYTES = 512 * 1024;
/** One for each connection. */
const REGIONS = 32;
/** Values looked for in one call at most. */
export const MOST_SCANNED = 128;
const CHECKSUMS_BYTES = MOST_SCANNED * 4;
const FOUND_WORDS = 2 + MOST_SCANNED * 2;
const FOUND_BYTES = FOUND_WORDS * 4;

const rooms = new Rooms(SCANNING_REGION_BYTES + CHECKSUMS_BYTES + FOUND_BYTES, REGIONS);

/** Room for the bytes that a socket receives, in which the small values of a reply are found and checked together. */
export class ScanningRegion {
  readonly bytes: Buffer;
  readonly #kernel: SharedKernel;
  readonly #base: number;
  readonly #checksumsAt: number;
  readonly #checksums: Uint32Array;
  readonly #foundAt: number;
  readonly #found: Int32Array;

  /** Undefined where the kernel cannot run, or all regions are taken. */
  static take(): ScanningRegion | undefined {
    const room = rooms.take();
    return room === undefined ? undefined : new ScanningRegion(room);
  }

  private constructor(room: Room) {
    const { kernel, buffer, at } = room;
    this.#kernel = kernel;
    this.#checksumsAt = at;
    this.#checksums = new Uint32Array(buffer, at, MOST_SCANNED);
    this.#foundAt = at + CHECKSUMS_BYTES;
    this.#found = new Int32Array(buffer, this.#foundAt, FOUND_WORDS);
    this.#base = this.#foundAt + FOUND_BYTES;
    this.bytes = Buffer.from(buffer, this.#base, SCANNING_REGION_BYTES);
    rooms.giveBackWith(this, room);
  }

  /**
   * How many values in a row, from `start` on, are nulls or small ones that are stored as they are and whose checksums
   * are right; what comes behind them has to be looked at one by one. For the answer to MGET.
   * @param keyChecksums CRC-32 of the stored keys; the first value is that of key `first`
   * @param end of all keys that are asked for
   */
  scan(start: number, received: number, keyChecksums: Uint32Array, first: number, end: number): number {
    const count = this.#take(keyChecksums, first, end);
    const base = this.#base;
    return this.#kernel.scanValues(base + start, base + received, count, this.#checksumsAt, this.#foundAt);
  }

  /** The same for rows of PostgreSQL with one column. */
  scanRows(start: number, received: number, keyChecksums: Uint32Array, first: number, end: number): number {
    const count = this.#take(keyChecksums, first, end);
    const base = this.#base;
    return this.#kernel.scanRows(base + start, base + received, count, this.#checksumsAt, this.#foundAt);
  }

  /** Where what was not found begins, in `bytes`. */
  get scannedTo(): number {
    return this.#found[0]! - this.#base;
  }

  /** Where the bytes of the `index`-th value found begin; negative: it is a null. */
  from(index: number): number {
    return this.#found[1 + index * 2]! - this.#base;
  }

  until(index: number): number {
    return this.#found[2 + index * 2]! - this.#base;
  }

  #take(keyChecksums: Uint32Array, first: number, end: number): number {
    const count = Math.min(MOST_SCANNED, end - first);
    for (let i = 0; i < count; i++) this.#checksums[i] = keyChecksums[first + i]!;
    return count;
  }
}
