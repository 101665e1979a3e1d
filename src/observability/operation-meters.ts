import { LatencyRecorder } from "./latency-recorder.js";
import { SHORTEST_SLICE_MS, type SparseCounts } from "./sliding-counts.js";

/**
 * What an operation's time is made of. *queue*: from the call until its batch is planned; *codec*: until the batch is
 * handed to the operating system; *store*: network and store, until the first answer of the batch arrives; *decode*:
 * until all that arrived is read and settled. Where a store does not tell these moments apart, the time counts as its.
 */
export const PHASES = ["queue", "codec", "store", "decode"] as const;
export type Phase = (typeof PHASES)[number];

/** Told what was recorded in the second that began at `startMs`. */
export type DrainListener = (operation: number, counts: SparseCounts, startMs: number) => void;

/** The latency recorders of all operations, whole and by phase. Operations go by their index in `operations`. */
export class OperationMeters {
  readonly operations: readonly string[];
  readonly latency: readonly LatencyRecorder[];
  readonly phases: Readonly<Record<Phase, readonly LatencyRecorder[]>>;
  /** Operations in a batch, in the recorder's unit. */
  readonly batchSizes = new LatencyRecorder();
  readonly startedAtMs: number;
  #sliceStartMs: number;
  readonly #listeners: DrainListener[] = [];

  constructor(operations: readonly string[], nowMs: number) {
    const recorders = (): readonly LatencyRecorder[] => operations.map(() => new LatencyRecorder());
    this.operations = operations;
    this.latency = recorders();
    this.phases = { queue: recorders(), codec: recorders(), store: recorders(), decode: recorders() };
    this.startedAtMs = nowMs;
    this.#sliceStartMs = startOfSlice(nowMs);
  }

  onDrain(listener: DrainListener): void {
    this.#listeners.push(listener);
  }

  /** To be called before anything is recorded: begins another slice of time if it is time to. True: it was. */
  advance(nowMs: number): boolean {
    if (nowMs - this.#sliceStartMs < SHORTEST_SLICE_MS) return false;
    this.drain();
    this.#sliceStartMs = startOfSlice(nowMs);
    return true;
  }

  /** Brings totals and windows up to date. */
  drain(): void {
    const startMs = this.#sliceStartMs;
    for (const [operation, recorder] of this.latency.entries()) {
      const counts = recorder.drain(startMs);
      if (counts !== undefined) for (const listener of this.#listeners) listener(operation, counts, startMs);
    }
    this.batchSizes.drain(startMs);
    for (const phase of PHASES) for (const recorder of this.phases[phase]) recorder.drain(startMs);
  }
}

function startOfSlice(nowMs: number): number {
  return Math.floor(nowMs / SHORTEST_SLICE_MS) * SHORTEST_SLICE_MS;
}
