import { CorruptValueError } from "../../../core/errors.js";
import type { Batch } from "../../batch.js";
import type { Request } from "../../request.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";
import type { ReaderContext } from "./reader-context.js";
import { placeOf, tooLarge, undecodable } from "./reply-errors.js";
import { OversizedReply, type Reply } from "./reply-parser.js";
import { swallowsReplies } from "./swallowed-replies.js";

/**
 * Settles a getAndDelete, whose value is gone at the server whether it can be given or not.
 *
 * One that does not verify may have been damaged where it stood, and then all is well with the replies behind it; or it is
 * a reply too many, and they have shifted. So the next answer is believed only if it shows its place. There is no
 * command's end, as behind the values of many keys, up to which others could be held back.
 *
 * @returns why whatever follows on the connection belongs to nobody; undefined: nothing speaks for that
 * @throws ProtocolError if the reply is not the answer; the request has none then
 */
export function settleDeleted(
  batch: Batch,
  request: Request,
  reply: Reply,
  context: ReaderContext,
  keyChecksum: number,
): string | undefined {
  const { codec, maxValueBytes, place } = context;
  if (reply instanceof OversizedReply) {
    const error = tooLarge(request, reply.bytes, maxValueBytes);
    batch.fail(request, error.concerning({ ...placeOf(request), outcome: "unknown" }));
    return undefined;
  }
  if (reply !== null && !Buffer.isBuffer(reply)) throw new ProtocolError("not a value");
  const isSure = (): boolean => reply !== null && codec.isSealedAt(reply, 0, [reply.length], keyChecksum);
  const wasDoubtful = place.isDoubtful;
  place.isDoubtful = false;
  let value: Buffer | null;
  try {
    value = reply === null ? null : codec.decode(reply, 0, reply.length, keyChecksum);
  } catch (error) {
    batch.fail(request, undecodable(request, error).concerning({ ...placeOf(request), outcome: "unknown" }));
    if (isSure()) return undefined;
    if (swallowsReplies(codec, reply!, 0, reply!.length, keyChecksum)) return "a value holds the replies behind it";
    if (wasDoubtful) return "two values in a row do not verify";
    // Too large, or of a later release: nothing is damaged.
    if (!(error instanceof CorruptValueError) || error.reason === "ERR_VALUE_TOO_LARGE") return undefined;
    // Whether a value without a checksum has swallowed replies could not be told.
    if (error.reason === "ERR_CORRUPT_VALUE") return "a value without a checksum is damaged";
    place.isDoubtful = true;
    return undefined;
  }
  if (wasDoubtful && !isSure()) throw outOfPlace();
  batch.succeed(request, value);
  return undefined;
}

/**
 * To be called with every other answer.
 * @throws ProtocolError if it may be the one before it, of which something that does not verify stood in the place
 */
export function provePlace(context: ReaderContext, reply: Reply): void {
  if (!context.place.isDoubtful) return;
  // What a getAndDelete is answered with, or what looks like it.
  if (reply === null || reply instanceof ErrorReply) throw outOfPlace();
  context.place.isDoubtful = false;
}

function outOfPlace(): ProtocolError {
  return new ProtocolError("behind a value that does not verify stands an answer that may be the one before it");
}
