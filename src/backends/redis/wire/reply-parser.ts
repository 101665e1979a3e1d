import { copyOfBytes } from "../../../core/value-memory.js";
import type { ReadSlab } from "../../read-slab.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";

export type Reply =
  | null
  | number
  | bigint
  | boolean
  | string
  | Buffer
  | ErrorReply
  | Reply[]
  | PushReply
  | OversizedReply;

/** RESP3 out-of-band data; never the answer to a command. */
export class PushReply {
  readonly items: readonly Reply[];

  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** A value longer than the engine may allocate: it was read past, byte for byte, and not kept. */
export class OversizedReply {
  readonly bytes: number;

  constructor(bytes: number) {
    this.bytes = bytes;
  }
}

/** The bytes so far end inside the reply. */
export const INCOMPLETE: unique symbol = Symbol("incomplete");

const CR = 13;
const LF = 10;
const MAX_DEPTH = 8;
/** What a RESP server allows in one multi-bulk reply of ours; anything above is not an answer to us. */
const MAX_ELEMENTS = 1 << 21;
/** Longest line that is not a bulk: errors, statuses, numbers. */
const MAX_LINE_BYTES = 64 * 1024;

/**
 * Reads any RESP2 or RESP3 reply, whole or not at all. For the rare replies; runs of values have a loop of their own
 * in the value reader.
 */
export class ReplyParser {
  readonly #maxBulkBytes: number;
  readonly #maxKeptBytes: number;
  readonly #onPush: ((message: PushReply) => void) | undefined;
  readonly #onError: ((reply: ErrorReply) => void) | undefined;
  #at = 0;
  #needBytes = 0;
  #skipBytes = 0;
  #skipped: OversizedReply | undefined;

  /**
   * @param maxBulkBytes longer bulks are a ProtocolError
   * @param maxKeptBytes longer ones are read past, where they are a reply by themselves
   * @param onPush told of every pushed message, in the order in which it stands among the replies
   * @param onError told of every reply that is an error
   */
  constructor(
    maxBulkBytes: number,
    maxKeptBytes = maxBulkBytes,
    onPush?: (message: PushReply) => void,
    onError?: (reply: ErrorReply) => void,
  ) {
    this.#maxBulkBytes = maxBulkBytes;
    this.#maxKeptBytes = maxKeptBytes;
    this.#onPush = onPush;
    this.#onError = onError;
  }

  /** Forgets a reply of which only a part has come; for a new connection. */
  reset(): void {
    this.#skipBytes = 0;
    this.#skipped = undefined;
  }

  /** Consumes one reply from the slab, or nothing and returns INCOMPLETE. */
  take(slab: ReadSlab): Reply | typeof INCOMPLETE {
    if (this.#skipped !== undefined) return this.#skip(slab);
    this.#at = slab.start;
    this.#needBytes = 0;
    const reply = this.#read(slab, 0);
    if (this.#skipped !== undefined) {
      slab.start = this.#at;
      return this.#skip(slab);
    }
    if (reply === INCOMPLETE) {
      slab.expectedBytes = Math.min(this.#needBytes, this.#maxKeptBytes);
      return INCOMPLETE;
    }
    slab.start = this.#at;
    slab.expectedBytes = 0;
    if (reply instanceof PushReply) this.#onPush?.(reply);
    else if (reply instanceof ErrorReply) this.#onError?.(reply);
    return reply;
  }

  /** As `take`, past pushed messages: the next reply that answers something. */
  takeAnswer(slab: ReadSlab): Reply | typeof INCOMPLETE {
    for (;;) {
      if (slab.start >= slab.end) return INCOMPLETE;
      const reply = this.take(slab);
      if (!(reply instanceof PushReply)) return reply;
    }
  }

  #skip(slab: ReadSlab): OversizedReply | typeof INCOMPLETE {
    const skipped = Math.min(this.#skipBytes, slab.end - slab.start);
    slab.start += skipped;
    this.#skipBytes -= skipped;
    slab.expectedBytes = 0;
    if (this.#skipBytes > 0) return INCOMPLETE;
    const reply = this.#skipped!;
    this.#skipped = undefined;
    return reply;
  }

  #read(slab: ReadSlab, depth: number): Reply | typeof INCOMPLETE {
    if (depth > MAX_DEPTH) throw new ProtocolError(`reply nested deeper than ${MAX_DEPTH}`);
    const type = slab.bytes[this.#at];
    const line = this.#line(slab);
    if (line === undefined) return INCOMPLETE;
    switch (type) {
      case 0x2b: // +
        return line;
      case 0x2d: // -
        return new ErrorReply(line);
      case 0x3a: // :
        return integer(line);
      case 0x24: // $
      case 0x3d: {
        // =
        const length = count(line, this.#maxBulkBytes);
        if (depth > 0 || length <= this.#maxKeptBytes) return this.#bulk(slab, line);
        this.#skipped = new OversizedReply(length);
        this.#skipBytes = length + 2;
        return INCOMPLETE;
      }
      case 0x21: {
        // !
        const text = this.#bulk(slab, line);
        return Buffer.isBuffer(text) ? new ErrorReply(text.toString()) : text;
      }
      case 0x2a: // *
      case 0x7e: // ~
        return this.#elements(slab, line, 1, depth);
      case 0x25: // %
        return this.#elements(slab, line, 2, depth);
      case 0x3e: {
        // >
        const items = this.#elements(slab, line, 1, depth);
        return Array.isArray(items) ? new PushReply(items) : items;
      }
      case 0x5f: // _
        return null;
      case 0x23: // #
        return line === "t";
      case 0x2c: // ,
        return double(line);
      case 0x28: // (
        return line;
      default:
        throw new ProtocolError(`reply begins with byte ${type}`);
    }
  }

  /** The text between the type byte and CRLF; moves past it. */
  #line(slab: ReadSlab): string | undefined {
    const { bytes, end } = slab;
    const from = this.#at + 1;
    let at = from;
    while (at < end && bytes[at] !== CR) at++;
    if (at - from > MAX_LINE_BYTES) throw new ProtocolError("reply line without an end");
    if (at + 1 >= end) return undefined;
    if (bytes[at + 1] !== LF) throw new ProtocolError("carriage return without line feed");
    this.#at = at + 2;
    return bytes.toString("latin1", from, at);
  }

  #bulk(slab: ReadSlab, line: string): Reply | typeof INCOMPLETE {
    const length = count(line, this.#maxBulkBytes);
    if (length < 0) return null;
    const from = this.#at;
    const until = from + length;
    if (until + 2 > slab.end) {
      this.#needBytes = until + 2 - slab.start;
      return INCOMPLETE;
    }
    if (slab.bytes[until] !== CR || slab.bytes[until + 1] !== LF) throw new ProtocolError("bulk longer than it says");
    this.#at = until + 2;
    return copyOfBytes(slab.bytes.subarray(from, until));
  }

  #elements(slab: ReadSlab, line: string, per: number, depth: number): Reply[] | null | typeof INCOMPLETE {
    const length = count(line, MAX_ELEMENTS);
    if (length < 0) return null;
    const items: Reply[] = [];
    for (let i = 0; i < length * per; i++) {
      if (this.#at >= slab.end) return INCOMPLETE;
      const item = this.#read(slab, depth + 1);
      if (item === INCOMPLETE) return INCOMPLETE;
      items.push(item);
    }
    return items;
  }
}

function double(line: string): number {
  const value = Number(line);
  if (Number.isNaN(value)) throw new ProtocolError("a double that is not a number");
  return value;
}

function integer(line: string): number | bigint {
  if (!/^[+-]?\d{1,20}$/.test(line)) throw new ProtocolError("integer reply that is not a number");
  const small = Number(line);
  return Number.isSafeInteger(small) ? small : BigInt(line);
}

function count(line: string, max: number): number {
  if (line === "-1") return -1;
  if (!/^\d{1,10}$/.test(line)) throw new ProtocolError("reply length that is not a number");
  const length = Number(line);
  if (length > max) throw new ProtocolError(`reply length ${length} above the limit of ${max}`);
  return length;
}
