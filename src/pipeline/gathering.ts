import type { BatchOwner } from "../backends/batch.js";
import type { EventLoop, LoopTimer } from "../core/event-loop.js";
import type { BatchesInFlight } from "./batches-in-flight.js";
import type { BatchCut } from "./request-queue.js";

/** A batch of this share of a full one is not small, as `Capabilities.smallBatches` says. */
const SMALL_SHARE = 4;
const LONGEST_GATHERING_MS = 20;
/** What a statement and its commit cost on PostgreSQL, in operations; so many are not few. */
const FEW_WRITES = 16;

export interface GatheringOptions {
  /** So many batches may be under way before a small one waits. */
  readonly smallBatches: number;
  /** So many batches that write may be under way before a few writes wait; undefined: they never do. */
  readonly writingBatches: number | undefined;
  /** Operations of a full batch. */
  readonly maxSize: number;
  /** What has waited for as long as it may is to leave. */
  readonly onOver: () => void;
}

/** Has a small batch wait until one under way has ended, where the store would rather have fewer and larger ones. */
export class Gathering {
  readonly #options: GatheringOptions;
  readonly #loop: EventLoop;
  #timer: LoopTimer | undefined;
  #isOver = false;

  constructor(options: GatheringOptions, loop: EventLoop) {
    this.#options = options;
    this.#loop = loop;
  }

  /**
   * Whether what is queued is to wait, because more would only be more batches.
   * @param lastCut why the batch before ended: one that is full by bytes is not seen in the queue
   */
  waits(inFlight: number, queued: number, lastCut: BatchCut): boolean {
    const { smallBatches, maxSize } = this.#options;
    if (inFlight < smallBatches || this.#isOver) return false;
    if (queued * SMALL_SHARE >= maxSize || lastCut === "bytes") return false;
    // Those under way may wait for what others have locked.
    this.#timer ??= this.#loop.setTimer(LONGEST_GATHERING_MS, this.#end, false);
    return true;
  }

  /** Whether writes among what is queued are to wait while reads may leave. What takes long is waited for once. */
  holdsWrites(inFlight: BatchesInFlight, queued: number, clock: Pick<BatchOwner, "nowUs">): boolean {
    const { writingBatches } = this.#options;
    if (writingBatches === undefined || queued >= FEW_WRITES || this.#isOver) return false;
    if (inFlight.writingFor(clock.nowUs(), LONGEST_GATHERING_MS) < writingBatches) return false;
    this.#timer ??= this.#loop.setTimer(LONGEST_GATHERING_MS, this.#end, false);
    return true;
  }

  stop(): void {
    this.#loop.clearTimer(this.#timer);
  }

  readonly #end = (): void => {
    this.#timer = undefined;
    this.#isOver = true;
    this.#options.onOver();
    this.#isOver = false;
  };
}
