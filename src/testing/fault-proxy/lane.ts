import type { Socket } from "node:net";
import type { DirectionFaults } from "./faults.js";

/** Held bytes above which the sender is no longer read. */
const HIGH_WATER_BYTES = 1024 * 1024;
const SLICE_MS = 10;

interface Piece {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

/** One direction of a connection: bytes in order from a source to a sink, as fast and as whole as the faults allow. */
export class Lane {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #faults: () => DirectionFaults;
  #held: Piece[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #ends = false;
  swallowedBytes = 0;

  constructor(source: Socket, sink: Socket, faults: () => DirectionFaults) {
    this.#source = source;
    this.#sink = sink;
    this.#faults = faults;
    sink.on("drain", () => this.#resume());
  }

  push(bytes: Buffer): void {
    const { swallow, delayMs = 0, bytesPerSecond, trickle } = this.#faults();
    if (swallow === true) {
      this.swallowedBytes += bytes.length;
      return;
    }
    if (this.#held.length === 0 && delayMs === 0 && bytesPerSecond === undefined && trickle !== true) {
      if (!this.#sink.write(bytes)) this.#source.pause();
      return;
    }
    this.#held.push({ bytes, dueMs: performance.now() + delayMs });
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > HIGH_WATER_BYTES) this.#source.pause();
    if (this.#timer === undefined) this.#pump();
  }

  /** The source has ended: so does the sink, once it has what is held. */
  end(): void {
    this.#ends = true;
    if (this.#held.length === 0) this.#sink.end();
  }

  stop(): void {
    clearTimeout(this.#timer as NodeJS.Timeout);
    clearImmediate(this.#timer as NodeJS.Immediate);
    this.#held = [];
  }

  readonly #pump = (): void => {
    this.#timer = undefined;
    const { bytesPerSecond, trickle } = this.#faults();
    while (this.#held.length > 0) {
      const { bytes, dueMs } = this.#held[0]!;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(this.#pump, waitMs);
        return;
      }
      if (this.#sink.destroyed) {
        this.stop();
        return;
      }
      const share = bytesPerSecond === undefined ? bytes.length : Math.ceil((bytesPerSecond * SLICE_MS) / 1000);
      const most = trickle === true ? 1 : share;
      this.#sink.write(bytes.subarray(0, most));
      this.#heldBytes -= Math.min(most, bytes.length);
      if (most >= bytes.length) this.#held.shift();
      else this.#held[0] = { bytes: bytes.subarray(most), dueMs };
      if (trickle === true) {
        this.#timer = setImmediate(this.#pump);
        return;
      }
      if (bytesPerSecond !== undefined) {
        this.#timer = setTimeout(this.#pump, SLICE_MS);
        return;
      }
    }
    this.#resume();
    if (this.#ends) this.#sink.end();
  };

  #resume(): void {
    if (this.#heldBytes <= HIGH_WATER_BYTES && !this.#sink.writableNeedDrain) this.#source.resume();
  }
}
