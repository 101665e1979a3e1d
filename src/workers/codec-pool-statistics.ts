import type { CodecDirection } from "../codec/batch-codec.js";

/** What `stats().workers` tells of the codec threads. Times in milliseconds unless a name says otherwise. */
export interface CodecPoolStatistics {
  /** `inline`: all codec work stays on the calling thread, and `why` says for what reason. */
  readonly state: "idle" | "starting" | "running" | "inline" | "closed";
  readonly why?: string;
  /** How many there may be, and how many there are. */
  readonly threads: number;
  readonly threadsAlive: number;
  readonly offload: "auto" | "never" | "always";
  /** Too many threads were lost in a row: none is given work for a while. */
  readonly resting: boolean;
  readonly jobs: CodecJobCounts;
  /** Milliseconds of compression and decompression on the threads, in sum. */
  readonly threadMs: number;
  readonly model: OffloadModelState;
}

export interface CodecJobCounts {
  /** Handed to a thread. */
  readonly jobs: number;
  /** Lost with their thread; each was done again. */
  readonly lost: number;
  /** Done on the calling thread although meant for a thread. */
  readonly doneInline: number;
  readonly underWay: number;
}

/** What decides whether a batch's codec work is given to a thread. */
export interface OffloadModelState extends ComparisonState {
  /** Batches with codec work, by what was decided for them. */
  readonly choices: { readonly inline: number; readonly offload: number };
  /** Microseconds to a thread and back. */
  readonly hopUs: number;
  /** Believed cost of codec work on the calling thread, nanoseconds for one value. */
  readonly inlineNs: Readonly<Record<CodecDirection, CostBySize>>;
  /** Believed cost of packing and unpacking for a thread, nanoseconds for one value. */
  readonly handingNs: Readonly<Record<CodecDirection, CostBySize>>;
}

export interface CostBySize {
  readonly "1KiB": number;
  readonly "64KiB": number;
}

/** What trials of the two ways have shown under the present load. */
export interface ComparisonState {
  /** The class of batches that is being tried, or "none". */
  readonly trial: string;
  /** Share of the last window in which the event loop was busy, 0 to 1. */
  readonly busyShare: number;
  readonly classes: readonly CostClassState[];
}

/** Batches of one direction with codec work of about one length. */
export interface CostClassState {
  readonly class: string;
  readonly direction: CodecDirection;
  readonly verdict: "inline" | "offload" | "none";
  /** Offloaded divided by inline, as found by the last trial: operations per time, and the event loop's busy time. */
  readonly throughputRatio: number;
  readonly busyRatio: number;
  readonly nextTrialAfterMs: number;
}
