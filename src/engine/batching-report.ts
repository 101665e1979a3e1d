/** Why a batch ended, with how many did for that reason and which share of all that is. */
export interface BatchCutReport {
  readonly batches: number;
  /** 0 to 1; 0: there was no batch. */
  readonly share: number;
}

/** What became of single operations since the engine was opened: how they were gathered, and why no further. */
export interface BatchingReport {
  /** Batches made, those of what was sent again among them. */
  readonly batches: number;
  /** Operations in them. */
  readonly operations: number;
  /** Operations of a batch; percentiles from 128 on within 1 %. */
  readonly sizes: {
    readonly mean: number;
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  /** Why they ended: full by count, full by bytes, an operation that had to begin the next one, no more work. */
  readonly cuts: Readonly<Record<"size" | "bytes" | "hazard" | "turn", BatchCutReport>>;
  /** Operations that shared another's command: same read, superseded write, read behind a pending write. */
  readonly coalesced: number;
  /** Of the operations, 0 to 1. */
  readonly coalescingRate: number;
  /** The same in plain words, with the setting that each reason for ending a batch goes by. */
  readonly text: string;
}
