import type { UndecodedRead } from "../backends/batch.js";
import type { Request } from "../backends/request.js";
import type { ValueCodec } from "../codec/value-codec.js";
import { BackendError, StateError } from "../core/errors.js";
import type { EventLoop } from "../core/event-loop.js";

/** Of one turn of the event loop. With what else a turn holds, and a run of the garbage collector, well below 5 ms. */
const TURN_MS = 1.5;

export type SettleRead = (leader: Request, result: Buffer | StateError) => void;

/** A class, as `shortLivedList` says of literals. */
class Work {
  readonly reads: readonly UndecodedRead[];
  readonly settle: SettleRead;
  readonly done: () => void;
  next = 0;

  constructor(reads: readonly UndecodedRead[], settle: SettleRead, done: () => void) {
    this.reads = reads;
    this.settle = settle;
    this.done = done;
  }
}

/** Decompression that would hold up the event loop in one go, done on this thread a little a turn, first in, first out. */
export class DecodingTurns {
  readonly #codec: ValueCodec;
  readonly #loop: EventLoop;
  #waiting: Work[] = [];

  constructor(codec: ValueCodec, loop: EventLoop) {
    this.#codec = codec;
    this.#loop = loop;
  }

  /** Settles all of them and never rejects. */
  decode(reads: readonly UndecodedRead[], settle: SettleRead): Promise<void> {
    return new Promise((done) => {
      this.#waiting.push(new Work(reads, settle, done));
      if (this.#waiting.length === 1) this.#loop.inNextTurn(this.#turn);
    });
  }

  readonly #turn = (): void => {
    const endMs = this.#loop.nowMs() + TURN_MS;
    do {
      const work = this.#waiting[0]!;
      const read = work.reads[work.next++]!;
      work.settle(read.leader, this.#decodeOne(read));
      if (work.next < work.reads.length) continue;
      this.#waiting.shift();
      work.done();
    } while (this.#waiting.length > 0 && this.#loop.nowMs() < endMs);
    if (this.#waiting.length > 0) this.#loop.inNextTurn(this.#turn);
  };

  #decodeOne({ stored, keyChecksum }: UndecodedRead): Buffer | StateError {
    try {
      return this.#codec.decode(stored, 0, stored.length, keyChecksum);
    } catch (error) {
      if (error instanceof StateError) return error;
      return new BackendError("the value could not be decoded", { cause: error });
    }
  }
}
