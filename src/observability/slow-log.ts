/** Where the time of a slow operation went, in milliseconds. See `PHASES`. */
export interface SlowPhases {
  readonly queueMs: number;
  readonly codecMs: number;
  readonly storeMs: number;
  readonly decodeMs: number;
}

/** An operation that took as long as `slowLog.thresholdMs`, or longer. It never holds a value. */
export interface SlowOperation {
  /** Milliseconds since 1970 at which it ended. */
  readonly atMs: number;
  readonly operation: string;
  /** Printable and cut at 64 bytes; null: an operation on many keys. */
  readonly key: string | null;
  readonly backend: string;
  /** From the call to the settling. */
  readonly latencyMs: number;
  /** null: it never left the queue, or had no batch of its own. */
  readonly phases: SlowPhases | null;
  /** Operations in the batch it travelled in, or keys of its own; 0: it never left the queue. */
  readonly batchSize: number;
  /** How often it was handed to the store. */
  readonly attempts: number;
  /** Largest lateness of a timer in this second and the one before. */
  readonly eventLoopLagMs: number;
  /** The error's code; null: it succeeded. */
  readonly error: string | null;
}

/** Keeps the latest slow operations and the slowest, each up to `capacity`. */
export class SlowLog {
  readonly #capacity: number;
  readonly #latest: SlowOperation[] = [];
  #next = 0;
  /** Slowest first. */
  readonly #slowest: SlowOperation[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(operation: SlowOperation): void {
    this.#latest[this.#next] = operation;
    this.#next = (this.#next + 1) % this.#capacity;
    const slowest = this.#slowest;
    if (slowest.length === this.#capacity && operation.latencyMs <= slowest.at(-1)!.latencyMs) return;
    let low = 0;
    let high = slowest.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (slowest[middle]!.latencyMs >= operation.latencyMs) low = middle + 1;
      else high = middle;
    }
    slowest.splice(low, 0, operation);
    if (slowest.length > this.#capacity) slowest.pop();
  }

  /** All that are kept, each once, latest first. */
  operations(): SlowOperation[] {
    const latestFirst = [...this.#latest.slice(this.#next), ...this.#latest.slice(0, this.#next)].reverse();
    return [...new Set([...latestFirst, ...this.#slowest])].sort((a, b) => b.atMs - a.atMs);
  }
}
