import { BackendError, type ErrorDetails, type StateError } from "../../core/errors.js";
import { ErrorReply } from "./wire/protocol-error.js";

/** The server refused, and may accept the same thing in a while. */
const PASSING = new Set([
  "LOADING",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "TRYAGAIN",
  "READONLY",
  "BUSY",
  "NOREPLICAS",
  "MOVED",
  "ASK",
]);

/** Whether this is a refusal of something that the server may accept in a while. */
export function isPassing(reply: unknown): reply is ErrorReply {
  return reply instanceof ErrorReply && PASSING.has(reply.token);
}

/** Whether the server refuses writes because it is a replica; scripts of Redis 6 say so in the middle of their error. */
export function isOfReplica(reply: ErrorReply): boolean {
  return reply.token === "READONLY" || reply.message.includes("-READONLY ");
}

/**
 * Whether this may be said of a whole command for the sake of one of its keys, before anything of it is carried out: not
 * of a command that the user may not give at all, nor by a script that broke off.
 */
export function mayBeForOneKey(reply: unknown): reply is ErrorReply {
  if (!(reply instanceof ErrorReply) || reply.token !== "NOPERM") return false;
  return /\bkeys?\b/i.test(reply.message) && !/\bscript\b/i.test(reply.message);
}

/**
 * An error reply means the command was not executed. The reason is the server's own first word, such as `OOM`,
 * `WRONGTYPE` or `NOPERM`.
 */
export function errorOfReply(reply: ErrorReply, details: ErrorDetails): StateError {
  return new BackendError(reply.message, {
    ...details,
    reason: reply.token,
    outcome: "not-applied",
    retryable: isPassing(reply),
  });
}
