import type { ScanningRegion } from "../../../codec/kernel/scanning-region.js";
import type { ValueCodec } from "../../../codec/value-codec.js";
import { crc32 } from "../../../core/crc32.js";
import { BackendError, CorruptValueError, type ErrorDetails, StateError } from "../../../core/errors.js";
import { keyBytes } from "../../../core/key.js";
import { copyOfValue } from "../../../core/value.js";
import { allocateValue } from "../../../core/value-memory.js";
import { type CompareAndSwapDetail, Kind, OPERATION_NAMES, type Request, type TransactionStep } from "../../request.js";
import { errorOfReply } from "../redis-errors.js";
import { type EncodedBatch, endOfRun, KEYS_PER_COMMAND } from "./batch-encoder.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";
import type { ReadSlab } from "./read-slab.js";
import { INCOMPLETE, OversizedReply, PushReply, type Reply, type ReplyParser } from "./reply-parser.js";

const CR = 13;
const LF = 10;
const DOLLAR = 0x24;
const PLUS = 0x2b;
const COLON = 0x3a;
const UNDERSCORE = 0x5f;
const MINUS = 0x2d;
const PUSH = 0x3e;

/**
 * Small values are copied out of the read slab together, in blocks of the size of Node's own buffer pool, and handed
 * out as views: one copy for seventy values of 100 bytes, and no value keeps more than a block alive.
 */
const BLOCK_BYTES = 8192;
const MAX_SHARED_VALUE_BYTES = 1024;
/** No shorter value is worth the question whether it should be decompressed elsewhere. */
const MIN_DEFERRED_BYTES = 64;

/** Zeros in front would else let a length go on for ever. */
const MAX_LENGTH_DIGITS = 10;

const PROBES = 0;
const READS = 1;
const DELETES = 2;
const PUTS = 3;
const EXPIRING_PUTS = 4;
const SINGLES = 5;
const INCREMENTS = 6;
const DONE = 7;

/** What a reader needs of its surroundings; one for all readers of a connection. */
export interface ReaderContext {
  readonly codec: ValueCodec;
  readonly parser: ReplyParser;
  readonly keyPrefix: Buffer;
  /** Values longer than this are skipped and their reads refused. */
  readonly maxValueBytes: number;
  /** Bulks longer than this end the connection. */
  readonly maxBulkBytes: number;
  /** Sends a compare-and-swap again for exactly these stored bytes and hands over its reply. */
  readonly swapAgain: (request: Request, storedForm: Buffer, then: (reply: Reply | StateError) => void) => void;
}

/** Turns the replies to one encoded batch into settled requests, as far as they have arrived. */
export class BatchReader {
  readonly encoded: EncodedBatch;
  readonly #context: ReaderContext;
  #phase = PROBES;
  #index = 0;
  /** Index behind the last read of the MGET whose values are coming. */
  #runEnd = 0;
  /** The server has said that it will remember the keys of the MGET whose reply is due. */
  #isTracking = false;
  /** Replies before EXEC still to come; -1: not inside a transaction. */
  #queuedLeft = -1;
  /** The answer to the PERSIST whose EXISTS is read next. */
  #persisted: Reply | undefined;
  #transactionError: ErrorReply | undefined;
  #skipBytes = 0;
  /** Values in a row that belonged to the key before theirs. */
  #displaced = 0;
  /** Compare-and-swaps sent again, whose answers are still to come. */
  #repeats = 0;
  #read = false;

  constructor(encoded: EncodedBatch, context: ReaderContext) {
    this.encoded = encoded;
    this.#context = context;
  }

  /** Consumes what there is; true when the batch's last reply has been read. */
  consume(slab: ReadSlab): boolean {
    const { batch } = this.encoded;
    batch.stampResults();
    for (;;) {
      switch (this.#phase) {
        case PROBES:
          if (!this.#readBooleans(slab, batch.probes)) return false;
          break;
        case READS:
          if (batch.reads.length > 0 && !this.#readValues(slab)) return false;
          break;
        case DELETES:
          if (!this.#readBooleans(slab, batch.deletes)) return false;
          break;
        case PUTS:
          if (!this.#readPuts(slab)) return false;
          break;
        case EXPIRING_PUTS:
          if (!this.#readExpiringPuts(slab)) return false;
          break;
        case SINGLES:
          if (!this.#readSingles(slab)) return false;
          break;
        case INCREMENTS:
          if (this.encoded.increments.length > 0 && !this.#readIncrements(slab)) return false;
          break;
        case DONE:
          this.#read = true;
          this.#completeIfDone();
          return true;
      }
      this.#phase++;
      this.#index = 0;
    }
  }

  /** Fails everything that has no answer yet; the connection is gone. */
  abort(errorFor: (request: Request) => StateError): void {
    const { batch } = this.encoded;
    const answered = this.#answered();
    batch.forEachLeader((leader) => {
      if (!answered.has(leader)) batch.fail(leader, errorFor(leader));
    });
    this.#read = true;
    this.#completeIfDone();
  }

  /**
   * Those whose reply has been read. One that the server refused may be on its way again already, and a swap that was
   * sent again has an expectation of its own: neither may be failed a second time.
   */
  #answered(): Set<Request> {
    const { batch, singles, increments } = this.encoded;
    const inOrder = [batch.probes, batch.reads, batch.deletes, batch.puts, batch.expiringPuts, singles, increments];
    return new Set([...inOrder.slice(0, this.#phase).flat(), ...(inOrder[this.#phase] ?? []).slice(0, this.#index)]);
  }

  #completeIfDone(): void {
    if (this.#read && this.#repeats === 0) this.encoded.batch.complete();
  }

  #readValues(slab: ReadSlab): boolean {
    const { reads } = this.encoded.batch;
    while (this.#index < reads.length) {
      if (this.#index === this.#runEnd && !this.#readValuesHeader(slab, reads)) return false;
      if (this.#index < this.#runEnd && !this.#readRunOfValues(slab, reads)) return false;
    }
    return true;
  }

  /** The values of one MGET, whose header has been read. */
  #readRunOfValues(slab: ReadSlab, reads: readonly Request[]): boolean {
    const { batch, readChecksums } = this.encoded;
    const { codec, maxValueBytes, maxBulkBytes } = this.#context;
    if (this.#skipBytes > 0 && !this.#skip(slab)) return false;
    const count = this.#runEnd;
    if (slab.region !== undefined && maxValueBytes >= MAX_SHARED_VALUE_BYTES) {
      this.#readScannedValues(slab, slab.region, reads);
    }
    const { bytes, end } = slab;
    let at = slab.start;
    let index = this.#index;
    let block: Buffer = bytes;
    let blockStart = 0;
    let blockEnd = 0;
    let defers: boolean | undefined;
    while (index < count) {
      if (at + 3 > end) break;
      const type = bytes[at]!;
      if (type !== DOLLAR || bytes[at + 1] === MINUS) {
        const width = type === UNDERSCORE ? 3 : type === DOLLAR ? 5 : 0;
        if (width === 0) throw this.#brokenAt(index, `a value begins with byte ${type}`);
        if (at + width > end) break;
        if (bytes[at + width - 1] !== LF || (width === 5 && bytes[at + 2] !== 0x31)) {
          throw this.#brokenAt(index, "a null that is none");
        }
        at += width;
        batch.succeed(reads[index++]!, null);
        continue;
      }
      let p = at + 1;
      let length = 0;
      let digit = bytes[p]! - 48;
      while (digit >= 0 && digit <= 9 && p < end) {
        length = length * 10 + digit;
        if (length > maxBulkBytes || p - at > MAX_LENGTH_DIGITS) {
          throw this.#brokenAt(index, `value length above the limit of ${maxBulkBytes}`);
        }
        digit = bytes[++p]! - 48;
      }
      if (p + 1 >= end) break;
      if (bytes[p] !== CR || bytes[p + 1] !== LF || p === at + 1)
        throw this.#brokenAt(index, "value length without an end");
      const from = p + 2;
      const until = from + length;
      if (length > maxValueBytes + 64) {
        batch.fail(reads[index]!, this.#tooLarge(reads[index]!, length));
        index++;
        this.#skipBytes = length + 2;
        slab.start = from;
        this.#index = index;
        if (!this.#skip(slab)) return false;
        at = slab.start;
        continue;
      }
      if (until + 2 > end) {
        slab.expectedBytes = until + 2 - at;
        break;
      }
      if (bytes[until] !== CR || bytes[until + 1] !== LF) throw this.#brokenAt(index, "a value is longer than it says");
      const request = reads[index]!;
      try {
        let value: Buffer;
        const rawBytes = length < MIN_DEFERRED_BYTES ? -1 : codec.claimedRawBytes(bytes, from, until);
        if (rawBytes >= 0) {
          defers ??= batch.defersDecoding(rawBytes);
          if (defers) {
            if (until > blockEnd) {
              block = copyOfRun(bytes, from, Math.max(until, Math.min(end, from + BLOCK_BYTES)));
              blockStart = from;
              blockEnd = from + block.length;
            }
            const stored = block.subarray(from - blockStart, until - blockStart);
            batch.succeedStored(request, stored, readChecksums[index]!);
            at = until + 2;
            index++;
            continue;
          }
          value = codec.decode(bytes, from, until, readChecksums[index]!);
        } else if (length > MAX_SHARED_VALUE_BYTES) {
          value = codec.decode(bytes, from, until, readChecksums[index]!);
        } else {
          if (until > blockEnd) {
            block = copyOfRun(bytes, from, Math.min(end, from + BLOCK_BYTES));
            blockStart = from;
            blockEnd = from + block.length;
          }
          value = codec.decodeOwned(block, from - blockStart, until - blockStart, readChecksums[index]!);
        }
        batch.succeed(request, value);
      } catch (error) {
        batch.fail(request, this.#undecodable(request, error));
        this.#displaced = this.#belongsBefore(bytes, from, until, index) ? this.#displaced + 1 : 0;
        if (this.#displaced === 2) {
          throw this.#brokenAt(index + 1, "values stand one place too late");
        }
      }
      at = until + 2;
      index++;
    }
    slab.start = at;
    this.#index = index;
    if (index < count) return false;
    slab.expectedBytes = 0;
    return true;
  }

  /** Those before `index` have their answers: what ends the connection must not fail them again. */
  #brokenAt(index: number, message: string): ProtocolError {
    this.#index = index;
    return new ProtocolError(message);
  }

  /** As many as are of the usual kind, found and checked in one go. */
  #readScannedValues(slab: ReadSlab, region: ScanningRegion, reads: readonly Request[]): void {
    const { batch, readChecksums } = this.encoded;
    const { bytes, end } = slab;
    let index = this.#index;
    const found = region.scan(slab.start, end, readChecksums, index, this.#runEnd);
    let block: Buffer = bytes;
    let blockStart = 0;
    let blockEnd = 0;
    for (let i = 0; i < found; i++) {
      const from = region.from(i);
      if (from < 0) {
        batch.succeed(reads[index++]!, null);
        continue;
      }
      const until = region.until(i);
      if (until > blockEnd) {
        block = copyOfRun(bytes, from, Math.min(end, from + BLOCK_BYTES));
        blockStart = from;
        blockEnd = from + block.length;
      }
      batch.succeed(reads[index++]!, block.subarray(from - blockStart, until - blockStart));
    }
    slab.start = region.scannedTo;
    this.#index = index;
  }

  #readValuesHeader(slab: ReadSlab, reads: readonly Request[]): boolean {
    while (slab.start < slab.end && slab.bytes[slab.start] === PUSH) {
      if (this.#context.parser.take(slab) === INCOMPLETE) return false;
    }
    if (slab.start >= slab.end) return false;
    const { tracked } = this.encoded;
    if (this.#index < tracked && !this.#isTracking) return this.#readTracking(slab);
    this.#isTracking = false;
    const count = endOfRun(this.#index, tracked, reads.length) - this.#index;
    if (slab.bytes[slab.start] === MINUS) {
      const reply = this.#take(slab);
      if (reply === INCOMPLETE) return false;
      this.#runEnd = this.#index + count;
      while (this.#index < this.#runEnd) {
        const request = reads[this.#index++]!;
        this.encoded.batch.fail(request, this.#errorOf(request, reply));
      }
      return true;
    }
    const expected = `*${count}\r\n`;
    if (slab.end - slab.start < expected.length) return false;
    for (let i = 0; i < expected.length; i++) {
      if (slab.bytes[slab.start + i] !== expected.charCodeAt(i)) {
        throw new ProtocolError("not the number of values asked for");
      }
    }
    slab.start += expected.length;
    this.#runEnd = this.#index + count;
    return true;
  }

  /** Values whose changes nobody would tell of must not be taken for others: the connection ends. */
  #readTracking(slab: ReadSlab): boolean {
    const reply = this.#take(slab);
    if (reply === INCOMPLETE) return false;
    if (reply !== "OK") throw new ProtocolError("the server does not track what is read");
    this.#isTracking = true;
    return true;
  }

  #readPuts(slab: ReadSlab): boolean {
    const { puts } = this.encoded.batch;
    while (this.#index < puts.length) {
      const count = Math.min(KEYS_PER_COMMAND, puts.length - this.#index);
      if (!this.#readRun(slab, puts, this.#index, count)) return false;
      this.#index += count;
    }
    return true;
  }

  #skip(slab: ReadSlab): boolean {
    const skipped = Math.min(this.#skipBytes, slab.end - slab.start);
    slab.start += skipped;
    this.#skipBytes -= skipped;
    return this.#skipBytes === 0;
  }

  /** `:0` and `:1` for each request. */
  #readBooleans(slab: ReadSlab, requests: readonly Request[]): boolean {
    const { bytes } = slab;
    const { batch } = this.encoded;
    while (this.#index < requests.length) {
      const request = requests[this.#index]!;
      const at = slab.start;
      if (at + 4 <= slab.end && bytes[at] === COLON && bytes[at + 2] === CR && bytes[at + 3] === LF) {
        batch.succeed(request, bytes[at + 1] !== 48);
        slab.start = at + 4;
      } else {
        const reply = this.#take(slab);
        if (reply === INCOMPLETE) return false;
        if (typeof reply === "number") batch.succeed(request, reply > 0);
        else batch.fail(request, this.#errorOf(request, reply));
      }
      this.#index++;
    }
    return true;
  }

  /** One `+OK` (or `:1`) for `count` requests. */
  #readRun(slab: ReadSlab, requests: readonly Request[], from: number, count: number): boolean {
    const { bytes } = slab;
    const { batch } = this.encoded;
    const at = slab.start;
    if (at + 5 <= slab.end && bytes[at] === PLUS && bytes[at + 1] === 0x4f && bytes[at + 4] === LF) {
      if (bytes[at + 2] !== 0x4b || bytes[at + 3] !== CR) throw new ProtocolError("a status that is not OK");
      slab.start = at + 5;
      for (let i = from; i < from + count; i++) batch.succeed(requests[i]!, undefined);
      return true;
    }
    const reply = this.#take(slab);
    if (reply === INCOMPLETE) return false;
    for (let i = from; i < from + count; i++) {
      if (reply === "OK" || reply === 1) batch.succeed(requests[i]!, undefined);
      else batch.fail(requests[i]!, this.#errorOf(requests[i]!, reply));
    }
    return true;
  }

  #readExpiringPuts(slab: ReadSlab): boolean {
    const { batch, expiringRuns } = this.encoded;
    const puts = batch.expiringPuts;
    let run = 0;
    if (expiringRuns !== undefined) {
      for (let done = 0; done < this.#index; run++) done += expiringRuns[run]!;
    }
    while (this.#index < puts.length) {
      const count = expiringRuns === undefined ? 1 : expiringRuns[run++]!;
      if (!this.#readRun(slab, puts, this.#index, count)) return false;
      this.#index += count;
    }
    return true;
  }

  #readSingles(slab: ReadSlab): boolean {
    const { singles } = this.encoded;
    while (this.#index < singles.length) {
      const request = singles[this.#index]!;
      if (request.kind === Kind.transaction) {
        if (!this.#readTransaction(slab, request)) return false;
      } else if (request.kind === Kind.expire && request.ttlMs === 0 && this.#queuedLeft < 0) {
        const persisted = this.#take(slab);
        if (persisted === INCOMPLETE) return false;
        this.#persisted = persisted;
        this.#queuedLeft = 0;
        continue;
      } else {
        const reply = this.#take(slab);
        if (reply === INCOMPLETE) return false;
        // A server that refuses to change the key may well say that it exists.
        this.#settleSingle(request, this.#persisted instanceof ErrorReply ? this.#persisted : reply);
        this.#persisted = undefined;
      }
      this.#queuedLeft = -1;
      this.#index++;
    }
    return true;
  }

  #settleSingle(request: Request, reply: Reply): void {
    const { batch } = this.encoded;
    if (reply instanceof ErrorReply) {
      batch.fail(request, this.#errorOf(request, reply));
      return;
    }
    switch (request.kind) {
      case Kind.setIfNotExists:
        if (reply !== "OK" && reply !== null) throw new ProtocolError("not the answer of a conditional put");
        batch.succeed(request, reply === "OK");
        break;
      case Kind.expire:
        if (typeof reply !== "number") throw new ProtocolError("not the answer of a change of lifetime");
        batch.succeed(request, reply === 1);
        break;
      case Kind.ttl:
        if (typeof reply !== "number") throw new ProtocolError("not a lifetime");
        batch.succeed(request, reply === -2 ? null : reply === -1 ? Number.POSITIVE_INFINITY : Number(reply));
        break;
      case Kind.getAndDelete:
        this.#settleValue(request, reply);
        break;
      case Kind.compareAndSwap:
        this.#settleSwap(request, reply);
        break;
      default:
        throw new ProtocolError(`operation ${request.kind} has no reply`);
    }
  }

  #settleValue(request: Request, reply: Reply): void {
    const { batch } = this.encoded;
    if (reply === null) {
      batch.succeed(request, null);
      return;
    }
    if (reply instanceof OversizedReply) {
      batch.fail(
        request,
        this.#tooLarge(request, reply.bytes).concerning({ ...this.#place(request), outcome: "unknown" }),
      );
      return;
    }
    if (!Buffer.isBuffer(reply)) throw new ProtocolError("not a value");
    try {
      batch.succeed(request, this.#context.codec.decode(reply, 0, reply.length, this.#keyChecksum(request)));
    } catch (error) {
      // The server has deleted it all the same.
      batch.fail(
        request,
        this.#undecodable(request, error).concerning({ ...this.#place(request), outcome: "unknown" }),
      );
      // It has its answer: what ends the connection must not fail it again.
      this.#index++;
      // Damaged where it stood, it is gone and will not be met again; a reply too many would shift all that follow.
      throw new ProtocolError("a value does not verify, and may be the answer to something else");
    }
  }

  #settleSwap(request: Request, reply: Reply): void {
    const { batch } = this.encoded;
    if (reply === 0 || reply === 1) {
      batch.succeed(request, reply === 1);
      return;
    }
    // In an array, so that a value which answers something else is not taken for it.
    const stored = Array.isArray(reply) ? reply[0] : undefined;
    if (!Buffer.isBuffer(stored)) throw new ProtocolError("not the answer of a compare-and-swap");
    const { expected } = request.detail as CompareAndSwapDetail;
    let current: Buffer;
    try {
      current = this.#context.codec.decode(stored, 0, stored.length, this.#keyChecksum(request));
    } catch (error) {
      batch.fail(request, this.#undecodable(request, error));
      return;
    }
    if (expected === null || !copyOfValue(expected).equals(current)) {
      batch.succeed(request, false);
      return;
    }
    this.#repeats++;
    this.#context.swapAgain(request, stored, (again) => {
      this.#repeats--;
      if (again instanceof StateError) batch.fail(request, again);
      else if (again instanceof ErrorReply) batch.fail(request, this.#errorOf(request, again));
      else batch.succeed(request, again === 1);
      this.#completeIfDone();
    });
  }

  /** MULTI, one QUEUED a step, and the reply of EXEC. */
  #readTransaction(slab: ReadSlab, request: Request): boolean {
    const { batch } = this.encoded;
    const steps = request.detail as readonly TransactionStep[];
    if (this.#queuedLeft < 0) {
      this.#queuedLeft = steps.length + 1;
      this.#transactionError = undefined;
    }
    while (this.#queuedLeft > 0) {
      const queued = this.#take(slab);
      if (queued === INCOMPLETE) return false;
      if (queued instanceof ErrorReply) this.#transactionError ??= queued;
      this.#queuedLeft--;
    }
    const outcome = this.#take(slab);
    if (outcome === INCOMPLETE) return false;
    const failed = Array.isArray(outcome) ? outcome.find((item) => item instanceof ErrorReply) : outcome;
    if (failed === undefined) batch.succeed(request, undefined);
    else if (!Array.isArray(outcome)) batch.fail(request, this.#errorOf(request, this.#transactionError ?? outcome));
    // EXEC ran the other steps: a server does not take back what was done before a step failed.
    else
      batch.fail(request, this.#errorOf(request, failed!).concerning({ ...this.#place(request), outcome: "unknown" }));
    return true;
  }

  #readIncrements(slab: ReadSlab): boolean {
    const { batch, increments } = this.encoded;
    const reply = this.#take(slab);
    if (reply === INCOMPLETE) return false;
    if (reply instanceof ErrorReply) {
      for (const request of increments) batch.fail(request, this.#errorOf(request, reply));
      return true;
    }
    if (!Array.isArray(reply) || reply.length !== increments.length) throw new ProtocolError("not one sum per counter");
    // All before the first is answered: what ends the connection fails those that are not.
    const sums = reply.map(sumOf);
    for (const [index, request] of increments.entries()) {
      const sum = sums[index]!;
      if (typeof sum === "bigint") batch.succeed(request, sum);
      else batch.fail(request, this.#incrementError(request, sum));
    }
    return true;
  }

  #incrementError(request: Request, text: string): StateError {
    const place = this.#place(request);
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

  #take(slab: ReadSlab): Reply | typeof INCOMPLETE {
    for (;;) {
      if (slab.start >= slab.end) return INCOMPLETE;
      const reply = this.#context.parser.take(slab);
      if (!(reply instanceof PushReply)) return reply;
    }
  }

  #errorOf(request: Request, reply: Reply): StateError {
    if (reply instanceof ErrorReply) return errorOfReply(reply, this.#place(request));
    throw new ProtocolError("the reply is of another kind than was asked for");
  }

  #undecodable(request: Request, error: unknown): StateError {
    if (error instanceof StateError) return error.concerning(this.#place(request));
    return new CorruptValueError("the stored value cannot be decoded", { ...this.#place(request), cause: error });
  }

  #tooLarge(request: Request, bytes: number): StateError {
    return new CorruptValueError(
      `the stored value has ${bytes} bytes; maxValueBytes is ${this.#context.maxValueBytes}`,
      {
        ...this.#place(request),
        reason: "ERR_VALUE_TOO_LARGE",
      },
    );
  }

  /**
   * Whether a value that does not verify under its key does so under the key before. One such value may have been
   * copied by somebody; two in a row mean that the values have shifted.
   */
  #belongsBefore(bytes: Buffer, from: number, until: number, index: number): boolean {
    if (index === 0) return false;
    try {
      this.#context.codec.decode(bytes, from, until, this.encoded.readChecksums[index - 1]!);
      return true;
    } catch {
      return false;
    }
  }

  #keyChecksum(request: Request): number {
    return crc32(keyBytes(request.key), 0, undefined, crc32(this.#context.keyPrefix));
  }

  #place(request: Request): ErrorDetails {
    const operation = OPERATION_NAMES[request.kind];
    return request.kind === Kind.transaction
      ? { operation, backend: "redis" }
      : { operation, key: request.key, backend: "redis" };
  }
}

/** A sum, or behind an exclamation mark what the script says went wrong with it. */
function sumOf(reply: Reply): bigint | string {
  if (typeof reply === "bigint" || Number.isSafeInteger(reply)) return BigInt(reply as number | bigint);
  const text = Buffer.isBuffer(reply) ? reply.toString() : "";
  if (text.startsWith("!")) return text.slice(1);
  if (!/^-?\d{1,19}$/.test(text)) throw new ProtocolError("not a sum");
  return BigInt(text);
}

/** The bytes from `from` on, at most a block of them, in memory of their own. */
function copyOfRun(bytes: Buffer, from: number, end: number): Buffer {
  const block = allocateValue(end - from);
  bytes.copy(block, 0, from, end);
  return block;
}
