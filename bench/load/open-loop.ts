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
 * An operation under way. Taken again for the next one: an asynchronous function for each, with all that it leaves behind,
 * made a fifth of the garbage of this process, and so of the pauses to collect it, which are the subject's latencies.
 */
class Offer {
  counts = false;
  dueAt = 0;
  readonly answered: (result: unknown) => void;
  readonly failed: () => void;

  constructor(ended: (offer: Offer, hasFailed: boolean) => void) {
    this.answered = (result) => ended(this, result === null);
    this.failed = () => ended(this, true);
  }
}

/**
 * Operations begin by the clock, whether or not those before have come back. Each counts from the moment at which
 * it should have begun: when subject, store or this very loop is held up, all that was due meanwhile waited, and that
 * wait is in the percentiles (there is no coordinated omission).
 *
 * The loop turns without sleeping, because timers of a millisecond are coarser than what is measured.
 */
export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { issue } = options;
  const recorder = new LatencyRecorder();
  const intervalMs = 1000 / options.ratePerSec;
  const warmUp = Math.floor((options.warmUpMs ?? 0) / intervalMs);
  const total = warmUp + Math.max(1, Math.round(options.durationMs / intervalMs));
  let settled = 0;
  let measured = 0;
  let errors = 0;
  let lastSettledAt = 0;

  const free: Offer[] = [];
  const ended = (offer: Offer, hasFailed: boolean): void => {
    settled++;
    free.push(offer);
    if (!offer.counts) return;
    lastSettledAt = performance.now();
    recorder.record(lastSettledAt - offer.dueAt);
    measured++;
    if (hasFailed) errors++;
  };
  const one = (index: number, dueAt: number): void => {
    const offer = free.pop() ?? new Offer(ended);
    offer.counts = index >= warmUp;
    offer.dueAt = dueAt;
    try {
      issue().then(offer.answered, offer.failed);
    } catch {
      offer.failed();
    }
  };

  const start = performance.now();
  let next = 0;
  const measuredFrom = start + warmUp * intervalMs;
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      const due = Math.min(total, Math.floor((performance.now() - start) / intervalMs) + 1);
      for (; next < due; next++) {
        one(next, start + next * intervalMs);
      }
      if (next < total) setImmediate(turn);
      else resolve();
    };
    turn();
  });
  const drainUntil = performance.now() + DRAIN_MS;
  while (settled < total && performance.now() < drainUntil) await new Promise(setImmediate);

  // What never came back is the worst latency there is, not one that is left out.
  const lost = total - warmUp - measured;
  for (let i = 0; i < lost; i++) recorder.record(performance.now() - measuredFrom);
  const elapsedMs = Math.max(intervalMs, lastSettledAt - measuredFrom);
  return {
    recorder,
    intended: total - warmUp,
    operations: measured,
    elapsedMs,
    opsPerSec: (measured * 1000) / elapsedMs,
    errors: errors + lost,
  };
}
