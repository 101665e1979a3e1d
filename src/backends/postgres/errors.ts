import { DatabaseError } from "pg";
import {
  BackendError,
  ConnectionError,
  type ErrorDetails,
  InvalidArgumentError,
  type StateError,
  TimeoutError,
} from "../../core/errors.js";

export const BACKEND = "postgres";

/** What the server says in an error message. `code` is the SQLSTATE. */
export interface ServerFailure {
  readonly code: string;
  readonly message: string;
  /** The server ends the session with it. */
  readonly isFatal: boolean;
}

/** The same statement may pass a moment later: serialization, deadlock, lock, resources, a server that moves. */
const PASSING = /^(?:40001|40P01|55P03|55006|57P0[123]|57014|25006|53.{3}|08.{3}|26000|42P05|0A000)$/;
/** Resources that do not come back by waiting. */
const LASTING = new Set(["53100", "0A000"]);
/** Refused for good until somebody changes an account, a database or a right. */
const PERMANENT_AT_CONNECT = /^(?:28.{3}|3D000|3F000|42501|0A000)$/;
/** The server ends the session with it, whatever language it says so in. */
const SESSION_END = /^(?:57P0[1-5]|25P0[34])$/;
/**
 * Of no single row: connections, features, the state of a transaction, statements and their names, what they cannot do
 * (42501 is row-level security as well), deadlocks, resources, operators, the machine. Everything else may be of one,
 * for triggers raise what they like.
 */
const OF_NO_ROW = /^(?:(?:08|0A|25|26|40|53|57|58|XX).{3}|42(?!501).{3})$/;
const NO_ANSWER = "no answer in time (timeouts.connectMs)";
/** A statement that the server does not know, or knows twice: names do not pass this pooler. */
const LOST_STATEMENT = new Set(["26000", "42P05"]);

/** The name under which a statement was prepared means nothing on this connection. */
export function isLostStatement(failure: ServerFailure): boolean {
  return LOST_STATEMENT.has(failure.code);
}

/** Whether a statement may have failed for the sake of one of its rows. */
export function mayBeForOneRow(failure: ServerFailure): boolean {
  return !OF_NO_ROW.test(failure.code) && !PASSING.test(failure.code);
}

export function endsSession(code: string): boolean {
  return SESSION_END.test(code);
}

export function isUniqueViolation(failure: ServerFailure): boolean {
  return failure.code === "23505";
}

/**
 * What an answered error means for the operations of the statement: the server has taken back what it had done of it.
 * The reason is the SQLSTATE.
 */
export function refusedError(failure: ServerFailure, details: ErrorDetails = {}): StateError {
  const { code, message } = failure;
  const Class = code === "57014" ? TimeoutError : BackendError;
  return new Class(message, {
    backend: BACKEND,
    reason: code,
    outcome: "not-applied",
    retryable: PASSING.test(code) && !LASTING.has(code),
    ...details,
  });
}

/** The keys and values of what must be sent as one are more than the server takes; nothing was sent. */
export function tooMuchError(maxBytes: number): InvalidArgumentError {
  return new InvalidArgumentError(`all its keys and values come to more than ${maxBytes} bytes, sent as one`, {
    backend: BACKEND,
    reason: "ERR_BATCH_TOO_LARGE",
  });
}

/** The session ended with this; what was under way on it has no answer. */
export function fatalError(place: string, failure: ServerFailure): StateError {
  return new ConnectionError(`${place}: the server ended the session: ${failure.message}`, {
    backend: BACKEND,
    reason: failure.code,
    retryable: true,
  });
}

export function silenceError(place: string, silentMs: number): TimeoutError {
  return new TimeoutError(`${place}: the server has been silent for ${Math.round(silentMs)} ms`, {
    backend: BACKEND,
    reason: "ERR_SILENT_PEER",
    retryable: true,
  });
}

/** `pg` has waited for an answer for as long as it was told to. */
export function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === "Query read timeout";
}

export function connectionError(place: string, message: string, cause?: unknown): ConnectionError {
  return new ConnectionError(`${place}: ${message}`, {
    backend: BACKEND,
    reason: "ERR_CONNECTION",
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Why no session came about. What the server refused for good is not worth another attempt. */
export function connectFailure(place: string, error: unknown): ConnectionError {
  if (isServerError(error)) {
    return new ConnectionError(`${place}: ${error.message}`, {
      backend: BACKEND,
      reason: error.code,
      retryable: !PERMANENT_AT_CONNECT.test(error.code),
      cause: error,
    });
  }
  const { code, message } = error as Error & { code?: string };
  // The exchange of proofs failed on this side: no password was given, or the server does not know it either.
  if (message.startsWith("SASL")) {
    return new ConnectionError(`${place}: the login failed: ${message}`, {
      backend: BACKEND,
      reason: "28P01",
      retryable: false,
      cause: error,
    });
  }
  const certificate = certificateProblem(code, message);
  if (certificate !== undefined) {
    return new ConnectionError(`${place}: ${certificate}`, {
      backend: BACKEND,
      reason: "ERR_CERTIFICATE",
      retryable: false,
      cause: error,
    });
  }
  if (isReadTimeout(error)) return connectionError(place, NO_ANSWER, error);
  return connectionError(place, describeSocketError(code, message), error);
}

/** What `pg` makes of the server's errors, its code the SQLSTATE; codes of others may look the same. */
export function isServerError(error: unknown): error is DatabaseError & { readonly code: string } {
  return error instanceof DatabaseError && error.code !== undefined;
}

function certificateProblem(code: string | undefined, message: string): string | undefined {
  if (code?.endsWith("CERT_ALTNAME_INVALID")) {
    return `the server's certificate is for another host (sslmode verify-full): ${message}`;
  }
  switch (code) {
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return `no authority that is trusted signed the server's certificate; name it with sslrootcert (${code})`;
    case "CERT_HAS_EXPIRED":
      return "the server's certificate has expired";
    default:
      return message === "The server does not support SSL connections"
        ? "the server does not speak TLS; sslmode prefer or disable would do without"
        : undefined;
  }
}

function describeSocketError(code: string | undefined, message: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused: nothing listens there";
    case "ENOTFOUND":
      return "the host name is unknown";
    case "ECONNRESET":
    case "EPIPE":
      return "the connection was reset";
    default:
      return code ?? (message === "timeout expired" ? NO_ANSWER : message);
  }
}

/** Parameters, and parts of them, are not shown: they are keys, values and metadata. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
