// What the server tells the live page. The page is compiled for browsers, so nothing is imported here.

export interface LatencyFigures {
  readonly count: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** The engine at one moment. Rates and shares are over the time since the sample before; null: nothing to judge by. */
export interface LiveSample {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly operationsTotal: number;
  readonly failedTotal: number;
  readonly operationsPerSec: number;
  readonly failedPerSec: number;
  readonly retriesPerSec: number;
  readonly bytesReadPerSec: number;
  readonly bytesWrittenPerSec: number;
  readonly batchesPerSec: number;
  readonly operationsPerBatch: number | null;
  readonly hitRate: number | null;
  readonly errorRate: number | null;
  /** Share of operations that needed no command of their own. */
  readonly coalescedShare: number | null;
  readonly compressionRatio: number;
  readonly pending: number;
  readonly waiting: number;
  readonly inFlightBatches: number;
  readonly activeConnections: number;
  readonly idleConnections: number;
  readonly circuit: "closed" | "open" | "half-open";
  /** The read-through tier in this process; null: there is none. */
  readonly cache: CacheFigures | null;
  /** How late the event loop was for a timer at worst in the last ten seconds, in milliseconds. */
  readonly loopLagMs: number;
  /** By operation, of the last ten seconds; what did not occur in them is absent. */
  readonly latency: Readonly<Record<string, Percentiles>>;
}

export interface CacheFigures {
  /** Share of reads that needed no store since the sample before; null: nothing was read. */
  readonly hitRate: number | null;
  readonly entries: number;
  readonly bytes: number;
  readonly evictionsPerSec: number;
  /** How changes by others become known: told by the store, by the age of what is kept, or not at present. */
  readonly invalidation: "changes" | "time" | "down";
}

export interface Percentiles {
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

/** What only the newest is needed of. */
export interface LiveDetail {
  readonly backend: string;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
  /** By operation, since the engine opened. */
  readonly latency: Readonly<Record<string, OperationFigures>>;
  readonly objectives: readonly ObjectiveFigures[];
}

export interface OperationFigures extends LatencyFigures {
  readonly windows: Readonly<Record<"last10s" | "last1m" | "last5m", LatencyFigures>>;
  readonly phases: Readonly<Record<"queue" | "codec" | "store" | "decode", LatencyFigures>>;
}

/** See `SloReport`. */
export interface ObjectiveFigures {
  readonly operation: string;
  readonly percentile: number;
  readonly latencyMs: number;
  readonly total: number;
  readonly compliance: number;
  readonly isMet: boolean;
  readonly measuredMs: number;
  readonly budgetRemaining: number;
  readonly windows: readonly { readonly window: string; readonly burnRate: number }[];
  readonly burning: "page" | "ticket" | null;
}

/** See `SlowOperation`. */
export interface SlowFigures {
  readonly atMs: number;
  readonly operation: string;
  readonly key: string | null;
  readonly latencyMs: number;
  readonly phases: {
    readonly queueMs: number;
    readonly codecMs: number;
    readonly storeMs: number;
    readonly decodeMs: number;
  } | null;
  readonly batchSize: number;
  readonly attempts: number;
  readonly eventLoopLagMs: number;
  readonly error: string | null;
}

/** Sent again whenever an operation has been added. */
export interface LiveSlow {
  /** How many there were since the engine opened, those included that are kept no longer. */
  readonly total: number;
  readonly operations: readonly SlowFigures[];
}

/** What stands still while the page is open. */
export interface LiveFacts {
  readonly title: string;
  readonly startedAtMs: number;
  readonly sampleMs: number;
  readonly processId: number;
  readonly nodeVersion: string;
}

/** The first message of a stream: what there was before it. */
export interface LiveWelcome {
  readonly facts: LiveFacts;
  readonly history: readonly LiveSample[];
}
