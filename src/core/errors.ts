import { printableKey } from "./printable-key.js";

/** Whether a failed operation may have changed the store. Reads are always `not-applied`. */
export type Outcome = "not-applied" | "unknown";

/** Shared by all copies of the package in a process. */
const STATE_ERROR = Symbol.for("millrace.StateError");

export const ERROR_CODES = [
  "CONFIG",
  "INVALID_ARGUMENT",
  "CONNECTION",
  "TIMEOUT",
  "ABORTED",
  "CIRCUIT_OPEN",
  "QUEUE_FULL",
  "CLOSED",
  "CORRUPT_VALUE",
  "SERIALIZATION",
  "UNSUPPORTED",
  "BACKEND",
  "FENCED",
  "LOCK_TIMEOUT",
  "LOCK_LOST",
  "CHECKPOINT",
  "RESTORE",
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export interface ErrorDetails {
  /** Finer, machine-readable cause, such as `ERR_KEY_EMPTY` or `OOM`. */
  readonly reason?: string;
  readonly outcome?: Outcome;
  readonly retryable?: boolean;
  readonly operation?: string;
  readonly key?: string;
  readonly backend?: string;
  readonly cause?: unknown;
}

/**
 * Root of every error this library throws. Recognise one with `StateError.is`, which also knows those of another copy
 * of the package, as `instanceof` does not; then match on `code` and `reason`, never on the message, which may improve.
 */
export abstract class StateError extends Error {
  abstract readonly code: ErrorCode;
  readonly reason: string | undefined;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly operation: string | undefined;
  /** Printable form of the key, cut at 64 bytes. */
  readonly key: string | undefined;
  readonly backend: string | undefined;
  readonly #summary: string;

  constructor(message: string, details: ErrorDetails = {}) {
    super(describe(message, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.#summary = message;
    this.reason = details.reason;
    this.outcome = details.outcome ?? "not-applied";
    this.retryable = details.retryable ?? false;
    this.operation = details.operation;
    this.key = details.key === undefined ? undefined : printableKey(details.key);
    this.backend = details.backend;
  }

  get [STATE_ERROR](): true {
    return true;
  }

  /** Whether this is an error of millrace, of whichever copy of the package and of whichever class. */
  static is(error: unknown): error is StateError {
    return typeof error === "object" && error !== null && (error as { [STATE_ERROR]?: unknown })[STATE_ERROR] === true;
  }

  /** What is wrong, as in the message, without the operation, the key and the backend. */
  get summary(): string {
    return this.#summary;
  }

  /** The same failure as it concerns another operation. */
  concerning(details: ErrorDetails, summary = this.#summary): StateError {
    const Class = this.constructor as new (message: string, details: ErrorDetails) => StateError;
    return new Class(summary, {
      outcome: this.outcome,
      retryable: this.retryable,
      ...(this.reason === undefined ? {} : { reason: this.reason }),
      ...(this.backend === undefined ? {} : { backend: this.backend }),
      ...(this.cause === undefined ? {} : { cause: this.cause }),
      ...details,
    });
  }
}

function describe(message: string, details: ErrorDetails): string {
  const place: string[] = [];
  if (details.operation !== undefined) place.push(details.operation);
  if (details.key !== undefined) place.push(`"${printableKey(details.key)}"`);
  if (details.backend !== undefined) place.push(`on ${details.backend}`);
  return place.length === 0 ? message : `${place.join(" ")}: ${message}`;
}

export class ConfigError extends StateError {
  override readonly name = "ConfigError";
  readonly code = "CONFIG";
}

export class InvalidArgumentError extends StateError {
  override readonly name = "InvalidArgumentError";
  readonly code = "INVALID_ARGUMENT";
}

export class ConnectionError extends StateError {
  override readonly name = "ConnectionError";
  readonly code = "CONNECTION";
}

export class TimeoutError extends StateError {
  override readonly name = "TimeoutError";
  readonly code = "TIMEOUT";
}

export class AbortedError extends StateError {
  override readonly name = "AbortedError";
  readonly code = "ABORTED";
}

export class CircuitOpenError extends StateError {
  override readonly name = "CircuitOpenError";
  readonly code = "CIRCUIT_OPEN";
}

export class QueueFullError extends StateError {
  override readonly name = "QueueFullError";
  readonly code = "QUEUE_FULL";
}

export class ClosedError extends StateError {
  override readonly name = "ClosedError";
  readonly code = "CLOSED";
}

export class CorruptValueError extends StateError {
  override readonly name = "CorruptValueError";
  readonly code = "CORRUPT_VALUE";
}

export class SerializationError extends StateError {
  override readonly name = "SerializationError";
  readonly code = "SERIALIZATION";
}

export class UnsupportedOperationError extends StateError {
  override readonly name = "UnsupportedOperationError";
  readonly code = "UNSUPPORTED";
}

export class BackendError extends StateError {
  override readonly name = "BackendError";
  readonly code = "BACKEND";
}

export class FencedError extends StateError {
  override readonly name = "FencedError";
  readonly code = "FENCED";
}

export class LockTimeoutError extends StateError {
  override readonly name = "LockTimeoutError";
  readonly code = "LOCK_TIMEOUT";
}

export class LockLostError extends StateError {
  override readonly name = "LockLostError";
  readonly code = "LOCK_LOST";
}

export class CheckpointError extends StateError {
  override readonly name = "CheckpointError";
  readonly code = "CHECKPOINT";
}

export class RestoreError extends StateError {
  override readonly name = "RestoreError";
  readonly code = "RESTORE";
}
