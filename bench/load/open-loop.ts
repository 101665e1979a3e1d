import { LatencyRecorder } from "../lib/latency-recorder.js";

export interface OpenLoopOptions {
  readonly issue: () => Promise<unknown>;
  readonly ratePerSec: number;
  /** However short, one operation is offered in it. */
  readonly durationMs: number;
  /** Operations of this first part are made but not counted. */
  readonly warmUpMs?: number;
}

/** Processor time is not among them: the loop turns without sleeping, so it would say nothing about the subject. */
export interface OpenLoopResult {
  readonly operations: number;
  readonly elapsedMs: number;
  readonly opsPerSec: number;
  readonly errors: number;
  readonly recorder: LatencyRecorder;
  /** Offered within the measured part. */
  readonly intended: number;
}

const DRAIN_MS = 10_000;

/**
 * Operations begin by the clock, whether or not those before have come back. Each counts from the moment at which
 * it should have begun: when subject, store or this very loop is held up, all that was due meanwhile waited, and that
 * wait is in the percentiles (there is no coordinated omission).
 *
 * The loop turns without sleeping, because timers of a millisecond are coarser than what is measured.
 */
export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const load = new OfferedLoad(options);
  await load.run();
  return load.result();
}

/**
 * An operation under way. Taken again for the next one: an asynchronous function for each, with all that it leaves behind,
 * made a fifth of the garbage of this process, and so of the pauses to collect it, which are the subject's latencies.
 */
class Offer {
  readonly #load: OfferedLoad;
  counts = false;
  /** Never a small integer, for which the compiler would make room first. */
  dueAt = Number.NaN;

  constructor(load: OfferedLoad) {
    this.#load = load;
  }

  readonly answered = (result: unknown): void => this.#load.ended(this, result === null);
  readonly failed = (): void => this.#load.ended(this, true);
}

/**
 * One load, from its first operation to its last. Functions of a class: those made anew for each load were compiled anew
 * for each, on the processor that the server needs, for milliseconds at a time.
 */
class OfferedLoad {
  readonly #issue: () => Promise<unknown>;
  readonly #intervalMs: number;
  readonly #warmUp: number;
  readonly #total: number;
  readonly #recorder = new LatencyRecorder();
  readonly #free: Offer[] = [];
  #start = Number.NaN;
  #next = 0;
  #settled = 0;
  #measured = 0;
  #errors = 0;
  #lastSettledAt = Number.NaN;
  #allOffered: () => void = () => {};

  constructor({ issue, ratePerSec, durationMs, warmUpMs = 0 }: OpenLoopOptions) {
    this.#issue = issue;
    this.#intervalMs = 1000 / ratePerSec;
    this.#warmUp = Math.floor(warmUpMs / this.#intervalMs);
    this.#total = this.#warmUp + Math.max(1, Math.round(durationMs / this.#intervalMs));
  }

  async run(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#allOffered = resolve;
      this.#start = performance.now();
      this.#turn();
    });
    const drainUntil = performance.now() + DRAIN_MS;
    while (this.#settled < this.#total && performance.now() < drainUntil) await new Promise(setImmediate);
  }

  result(): OpenLoopResult {
    const intended = this.#total - this.#warmUp;
    const operations = this.#measured;
    const measuredFrom = this.#start + this.#warmUp * this.#intervalMs;
    // What never came back is the worst latency there is, not one that is left out.
    const lost = intended - operations;
    for (let i = 0; i < lost; i++) this.#recorder.record(performance.now() - measuredFrom);
    const untilMs = operations === 0 ? measuredFrom : this.#lastSettledAt;
    const elapsedMs = Math.max(this.#intervalMs, untilMs - measuredFrom);
    return {
      recorder: this.#recorder,
      intended,
      operations,
      elapsedMs,
      opsPerSec: (operations * 1000) / elapsedMs,
      errors: this.#errors + lost,
    };
  }

  ended(offer: Offer, hasFailed: boolean): void {
    this.#settled++;
    this.#free.push(offer);
    if (!offer.counts) return;
    const now = performance.now();
    this.#lastSettledAt = now;
    this.#recorder.record(now - offer.dueAt);
    this.#measured++;
    if (hasFailed) this.#errors++;
  }

  readonly #turn = (): void => {
    const due = Math.min(this.#total, Math.floor((performance.now() - this.#start) / this.#intervalMs) + 1);
    while (this.#next < due) this.#offer(this.#next++);
    if (this.#next < this.#total) setImmediate(this.#turn);
    else this.#allOffered();
  };

  #offer(index: number): void {
    const offer = this.#free.pop() ?? new Offer(this);
    offer.counts = index >= this.#warmUp;
    offer.dueAt = this.#start + index * this.#intervalMs;
    try {
      this.#issue().then(offer.answered, offer.failed);
    } catch {
      offer.failed();
    }
  }
}
