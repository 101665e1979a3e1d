import { BackendError, CorruptValueError, type StateError } from "../../../core/errors.js";
import type { Batch } from "../../batch.js";
import type { Request } from "../../request.js";
import { errorOfReply } from "../redis-errors.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";
import { placeOf, refuseRun } from "./reply-errors.js";
import type { Reply } from "./reply-parser.js";

/** Settles increments by the one reply of their script. */
export function settleIncrements(batch: Batch, increments: readonly Request[], reply: Reply): void {
  if (reply instanceof ErrorReply) {
    refuseRun(batch, increments, 0, increments.length, reply);
    return;
  }
  if (!Array.isArray(reply) || reply.length !== increments.length) throw new ProtocolError("not one sum per counter");
  // All before the first is answered: what ends the connection fails those that are not.
  const sums = reply.map(sumOf);
  for (const [index, request] of increments.entries()) {
    const sum = sums[index]!;
    if (typeof sum === "bigint") batch.succeed(request, sum);
    else batch.fail(request, incrementError(request, sum));
  }
}

function incrementError(request: Request, text: string): StateError {
  const place = placeOf(request);
  if (text === "corrupt")
    return new CorruptValueError("the stored number is damaged", { ...place, reason: "ERR_CORRUPT_VALUE" });
  if (text.includes("overflow")) {
    return new BackendError("the counter would leave 64 bits", { ...place, reason: "ERR_OVERFLOW" });
  }
  if (text.includes("not an integer")) {
    return new BackendError("the stored value is not a whole number", { ...place, reason: "ERR_NOT_AN_INTEGER" });
  }
  return errorOfReply(new ErrorReply(text.replace(/^-/, "")), place);
}

/** A sum, or behind an exclamation mark what the script says went wrong with it. */
function sumOf(reply: Reply): bigint | string {
  if (typeof reply === "bigint" || Number.isSafeInteger(reply)) return BigInt(reply as number | bigint);
  const text = Buffer.isBuffer(reply) ? reply.toString() : "";
  if (text.startsWith("!")) return text.slice(1);
  if (!/^-?\d{1,19}$/.test(text)) throw new ProtocolError("not a sum");
  return BigInt(text);
}
