import type { ValueCodec } from "../../../codec/value-codec.js";
import type { StateError } from "../../../core/errors.js";
import type { Request } from "../../request.js";
import type { ErrorReply } from "./protocol-error.js";
import type { Reply, ReplyParser } from "./reply-parser.js";

/** What a reader needs of its surroundings; one for all readers of a connection. */
export interface ReaderContext {
  readonly codec: ValueCodec;
  readonly parser: ReplyParser;
  readonly keyPrefix: Buffer;
  /** Values longer than this are skipped and their reads refused. */
  readonly maxValueBytes: number;
  /** Bulks longer than this end the connection. */
  readonly maxBulkBytes: number;
  /** Whether the last answer does not verify and may have been a reply too many: see `settleDeleted`. */
  readonly place: { isDoubtful: boolean };
  /** To be told of errors that a script hands over as texts; the others are heard of from the parser. */
  readonly onError: (reply: ErrorReply) => void;
  /** Whether replies to something else are due behind those to the batch that is being read. */
  readonly isAnotherDue: () => boolean;
  /** Sends a compare-and-swap again for exactly these stored bytes and hands over its reply. */
  readonly swapAgain: (request: Request, storedForm: Buffer, then: (reply: Reply | StateError) => void) => void;
}
