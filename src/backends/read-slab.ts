import { SCANNING_REGION_BYTES, ScanningRegion } from "../codec/kernel/scanning-region.js";

const DEFAULT_BYTES = SCANNING_REGION_BYTES;
/** A read is never offered less room than this. */
const MIN_ROOM_BYTES = 64 * 1024;

/**
 * The bytes received and not yet consumed: `bytes[start, end)`. The socket reads straight into the room behind them.
 * Only `room()` moves bytes, so offsets hold between two reads.
 */
export class ReadSlab {
  /** Where it lies as long as replies have their usual size; undefined: in memory of its own, always. */
  readonly #home = ScanningRegion.take();
  bytes = this.#home?.bytes ?? Buffer.allocUnsafeSlow(DEFAULT_BYTES);
  start = 0;
  end = 0;
  /**
   * Length, from `start`, of the reply that is known to be coming; 0: unknown. Never set from a length that the peer may
   * have made up: room of this size is taken before the bytes are there.
   */
  expectedBytes = 0;

  /** The memory of `bytes`, if values can be scanned in it. */
  get region(): ScanningRegion | undefined {
    return this.#home !== undefined && this.bytes === this.#home.bytes ? this.#home : undefined;
  }

  /** Where the socket may write next; bytes that wait are moved to the front when room runs short. */
  room(): Buffer {
    const waiting = this.end - this.start;
    const wanted = Math.max(MIN_ROOM_BYTES, this.expectedBytes - waiting);
    if (waiting === 0) {
      this.start = 0;
      this.end = 0;
      if (this.bytes.length > DEFAULT_BYTES) this.bytes = this.#home?.bytes ?? Buffer.allocUnsafeSlow(DEFAULT_BYTES);
    }
    if (this.bytes.length - this.end < wanted) this.#make(waiting, wanted);
    return this.bytes.subarray(this.end);
  }

  /** Takes bytes that arrived elsewhere (sockets that cannot read into the slab). */
  append(chunk: Uint8Array): void {
    this.expectedBytes = Math.max(this.expectedBytes, this.end - this.start + chunk.length);
    this.room().set(chunk);
    this.end += chunk.length;
  }

  #make(waiting: number, wanted: number): void {
    if (this.bytes.length - waiting >= wanted) {
      this.bytes.copyWithin(0, this.start, this.end);
    } else {
      // By half at least, so that a long reply of unknown length is not copied for each piece of it.
      const bigger = Buffer.allocUnsafeSlow(Math.max(DEFAULT_BYTES, waiting + Math.max(wanted, waiting >> 1)));
      this.bytes.copy(bigger, 0, this.start, this.end);
      this.bytes = bigger;
    }
    this.start = 0;
    this.end = waiting;
  }
}
