export interface CallOptions {
  /** Ends the wait: not sent yet, it never will be; sent already, the outcome of a write is unknown. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the call must have settled; default `timeouts.operationMs`. */
  readonly timeoutMs?: number;
}

export interface ExpiryOptions {
  /** Lifetime in whole ms, at most ten years. Absent: `defaultTtlMs`. null: never expires. */
  readonly ttlMs?: number | null;
}

export interface PutOptions extends CallOptions, ExpiryOptions {
  /** A JSON object beside the value (PostgreSQL). A put without it takes away what was there. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly fence?: unknown;
  readonly durability?: "ack" | "replicated";
}
