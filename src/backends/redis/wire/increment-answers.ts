import { BackendError, CorruptValueError, type StateError } from "../../../core/errors.js";
import type { Batch } from "../../batch.js";
import type { Request } from "../../request.js";
import { errorOfReply } from "../redis-errors.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";
import { placeOf, refuseRun } from "./reply-errors.js";
import type { Reply } from "./reply-parser.js";

/** What the server says of a script that it had begun with, in the words of its several releases. */
const BROKE_OFF = /user_script|running script|script killed/i;

/** What the script says of a counter instead of its sum. */
interface Trouble {
  readonly text: string;
  /** Whether the amount was added all the same. */
  readonly isAdded: boolean;
}

/**
 * Settles increments by the one reply of their script.
 * @param onError told of the errors of single counters
 */
export function settleIncrements(
  batch: Batch,
  increments: readonly Request[],
  reply: Reply,
  onError: (reply: ErrorReply) => void,
): void {
  if (reply instanceof ErrorReply) {
    if (BROKE_OFF.test(reply.message)) failBrokenOff(batch, increments, reply);
    else refuseRun(batch, increments, 0, increments.length, reply);
    return;
  }
  if (!Array.isArray(reply) || reply.length !== increments.length) throw new ProtocolError("not one sum per counter");
  // All before the first is answered: what ends the connection fails those that are not.
  const sums = reply.map(sumOf);
  for (const [index, request] of increments.entries()) {
    const sum = sums[index]!;
    if (typeof sum === "bigint") batch.succeed(request, sum);
    else batch.fail(request, incrementError(request, sum, onError));
  }
}

/** A server takes back nothing of what a script did before it broke off. */
function failBrokenOff(batch: Batch, increments: readonly Request[], reply: ErrorReply): void {
  for (const request of increments) {
    const place = placeOf(request);
    batch.fail(request, errorOfReply(reply, place).concerning({ ...place, outcome: "unknown" }));
  }
}

function incrementError(
  request: Request,
  { text, isAdded }: Trouble,
  onError: (reply: ErrorReply) => void,
): StateError {
  const place = placeOf(request);
  if (text === "corrupt")
    return new CorruptValueError("the stored number is damaged", { ...place, reason: "ERR_CORRUPT_VALUE" });
  if (text.includes("overflow")) {
    return new BackendError("the counter would leave 64 bits", { ...place, reason: "ERR_OVERFLOW" });
  }
  if (text.includes("not an integer")) {
    return new BackendError("the stored value is not a whole number", { ...place, reason: "ERR_NOT_AN_INTEGER" });
  }
  const reply = new ErrorReply(text.replace(/^-/, ""));
  onError(reply);
  const refusal = errorOfReply(reply, place);
  return isAdded ? refusal.concerning({ ...place, outcome: "unknown" }) : refusal;
}

function sumOf(reply: Reply): bigint | Trouble {
  if (typeof reply === "bigint" || Number.isSafeInteger(reply)) return BigInt(reply as number | bigint);
  const text = Buffer.isBuffer(reply) ? reply.toString() : "";
  if (text.startsWith("!") || text.startsWith("?")) return { text: text.slice(1), isAdded: text.startsWith("?") };
  if (!/^-?\d{1,19}$/.test(text)) throw new ProtocolError("not a sum");
  return BigInt(text);
}
