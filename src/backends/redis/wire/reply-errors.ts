import { CorruptValueError, type ErrorDetails, StateError } from "../../../core/errors.js";
import type { Batch } from "../../batch.js";
import { Kind, OPERATION_NAMES, type Request } from "../../request.js";
import { errorOfReply, mayBeForOneKey } from "../redis-errors.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";
import type { Reply } from "./reply-parser.js";

export function placeOf(request: Request): ErrorDetails {
  const operation = OPERATION_NAMES[request.kind];
  return request.kind === Kind.transaction
    ? { operation, backend: "redis" }
    : { operation, key: request.key, backend: "redis" };
}

/** @throws ProtocolError if the reply is no error either */
export function refusalOf(request: Request, reply: Reply): StateError {
  if (reply instanceof ErrorReply) return errorOfReply(reply, placeOf(request));
  throw new ProtocolError("the reply is of another kind than was asked for");
}

/** Fails the requests from `from` to before `until`, whose one command has this answer. */
export function refuseRun(batch: Batch, requests: readonly Request[], from: number, until: number, reply: Reply): void {
  const isShared = until - from > 1 && mayBeForOneKey(reply);
  for (let i = from; i < until; i++) {
    const request = requests[i]!;
    const refusal = refusalOf(request, reply);
    if (isShared) batch.refuseWithOthers(request, refusal);
    else batch.fail(request, refusal);
  }
}

export function undecodable(request: Request, error: unknown): StateError {
  if (error instanceof StateError) return error.concerning(placeOf(request));
  return new CorruptValueError("the stored value cannot be decoded", { ...placeOf(request), cause: error });
}

export function tooLarge(request: Request, bytes: number, maxValueBytes: number): StateError {
  return new CorruptValueError(`the stored value has ${bytes} bytes; maxValueBytes is ${maxValueBytes}`, {
    ...placeOf(request),
    reason: "ERR_VALUE_TOO_LARGE",
  });
}
