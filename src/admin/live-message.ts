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
  /** How late the event loop was for a timer, in milliseconds. */
  readonly loopLagMs: number;
  /** By operation. */
  readonly latency: Readonly<Record<string, Percentiles>>;
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
  readonly latency: Readonly<Record<string, LatencyFigures>>;
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
