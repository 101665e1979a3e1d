export interface CallOptions {
  /** Ends the wait: not sent yet, it never will be; sent already, the outcome of a write is unknown. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call must have settled; default `timeouts.operationMs`. */
  readonly timeoutMs?: number | undefined;
}

export interface ExpiryOptions {
  /** Lifetime in whole ms, at most ten years. Absent: `defaultTtlMs`. null: never expires. */
  readonly ttlMs?: number | null | undefined;
}

export interface PutOptions extends CallOptions, ExpiryOptions {
  /** A JSON object beside the value (PostgreSQL). A put without it takes away what was there. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly fence?: unknown;
  readonly durability?: "ack" | "replicated" | undefined;
}
