import type { ScanningRegion } from "../../../codec/kernel/scanning-region.js";
import type { ReadSlab } from "../../read-slab.js";
import { Kind, type Request } from "../../request.js";
import { answerScanned, BLOCK_BYTES, copyOfRun, MAX_SCANNED_VALUE_BYTES } from "../../scanned-values.js";
import { type EncodedBatch, endOfRun } from "./batch-encoder.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";
import type { ReaderContext } from "./reader-context.js";
import { refuseRun, tooLarge, undecodable } from "./reply-errors.js";
import { INCOMPLETE } from "./reply-parser.js";
import { beginsReply, swallowsReplies } from "./swallowed-replies.js";
import { UnprovenAnswers } from "./unproven-answers.js";

const CR = 13;
const LF = 10;
const DOLLAR = 0x24;
const UNDERSCORE = 0x5f;
const MINUS = 0x2d;
const PUSH = 0x3e;

/** No shorter value is worth the question whether it should be decompressed elsewhere. */
const MIN_DEFERRED_BYTES = 64;

/** Zeros in front would else let a length go on for ever. */
const MAX_LENGTH_DIGITS = 10;

/** Reads the answers of a batch's MGETs: the values of all its reads, in their order. */
export class ValueReader {
  readonly #encoded: EncodedBatch;
  readonly #context: ReaderContext;
  #index = 0;
  /** Index behind the last read of the MGET whose values are coming. */
  #runEnd = 0;
  /** Whether the server will remember the keys of the MGET whose reply is due, as it says; undefined: not asked. */
  #tracking: "OK" | ErrorReply | undefined;
  #skipBytes = 0;
  /** Values in a row that belonged to the key before theirs. */
  #displaced = 0;
  readonly #unproven: UnprovenAnswers;

  constructor(encoded: EncodedBatch, context: ReaderContext) {
    this.#encoded = encoded;
    this.#context = context;
    this.#unproven = new UnprovenAnswers(encoded.batch, context.codec);
  }

  /** How many reads have had their reply read. */
  get answered(): number {
    return this.#index;
  }

  /** Those among them whose answers are not given yet. */
  get unproven(): readonly Request[] {
    return this.#unproven.requests;
  }

  /** Consumes what there is; true when the last value has been read. */
  read(slab: ReadSlab): boolean {
    const { reads } = this.#encoded.batch;
    // Also of the last value: what is left of it must not be taken for the next reply.
    if (this.#skipBytes > 0 && !this.#skip(slab)) return false;
    for (;;) {
      if (this.#index === this.#runEnd) {
        if (this.#unproven.isInDoubt && !this.#proveEnd(slab)) return false;
        if (this.#index === reads.length) return true;
        if (!this.#readHeader(slab, reads)) return false;
      }
      if (this.#index < this.#runEnd && !this.#readRun(slab, reads)) return false;
    }
  }

  /** The values of one MGET, whose header has been read. */
  #readRun(slab: ReadSlab, reads: readonly Request[]): boolean {
    const { batch, readChecksums } = this.#encoded;
    const { codec, maxValueBytes, maxBulkBytes } = this.#context;
    const count = this.#runEnd;
    if (slab.region !== undefined && maxValueBytes >= MAX_SCANNED_VALUE_BYTES && !this.#unproven.areHeld) {
      this.#readScanned(slab, slab.region, reads);
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
        this.#unproven.answer(reads[index++]!, null);
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
        batch.fail(reads[index]!, tooLarge(reads[index]!, length, maxValueBytes));
        if (until <= end && swallowsReplies(codec, bytes, from, until, readChecksums[index]!)) {
          throw this.#brokenAt(index + 1, "a value holds the replies behind it");
        }
        this.#unproven.hold();
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
            // Later it could no longer be told before the next ones have their answers.
            if (swallowsReplies(codec, bytes, from, until, readChecksums[index]!)) {
              codec.decode(bytes, from, until, readChecksums[index]!);
            }
            this.#unproven.holdUnlessSealed(stored, readChecksums[index]!);
            batch.succeedStored(request, stored, readChecksums[index]!);
            at = until + 2;
            index++;
            continue;
          }
          value = codec.decode(bytes, from, until, readChecksums[index]!);
        } else if (length > MAX_SCANNED_VALUE_BYTES) {
          value = codec.decode(bytes, from, until, readChecksums[index]!);
        } else {
          if (until > blockEnd) {
            block = copyOfRun(bytes, from, Math.min(end, from + BLOCK_BYTES));
            blockStart = from;
            blockEnd = from + block.length;
          }
          value = codec.decodeOwned(block, from - blockStart, until - blockStart, readChecksums[index]!);
        }
        // What was written by others, without a header, comes back at its full length.
        if (value.length === length) {
          this.#unproven.answer(request, value);
        } else {
          this.#unproven.give();
          batch.succeed(request, value);
        }
      } catch (error) {
        batch.fail(request, undecodable(request, error));
        if (swallowsReplies(codec, bytes, from, until, readChecksums[index]!)) {
          throw this.#brokenAt(index + 1, "a value holds the replies behind it");
        }
        this.#unproven.hold();
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

  /** Whether the end of an MGET in which a value did not verify is what it seems: nothing of it is left over. */
  #proveEnd(slab: ReadSlab): boolean {
    const isFollowed = this.#isFollowed();
    if (slab.start >= slab.end) {
      if (isFollowed) return false;
    } else {
      const next = slab.bytes[slab.start]!;
      const beginsValue = next === DOLLAR || next === UNDERSCORE;
      const mayBeValue = isFollowed ? this.#precedesValue() : this.#context.isAnotherDue();
      if (!beginsReply(next) || (beginsValue && !mayBeValue)) {
        throw new ProtocolError("something is left over of values, behind one that does not verify");
      }
    }
    this.#unproven.give();
    return true;
  }

  /** Whether another reply to this batch is due. */
  #isFollowed(): boolean {
    const { batch, singles, increments } = this.#encoded;
    const { reads, deletes, puts, expiringPuts } = batch;
    return (
      this.#index < reads.length ||
      deletes.length + puts.length + expiringPuts.length + singles.length + increments.length > 0
    );
  }

  /** Whether the next reply may begin as values do: nothing can be told then. */
  #precedesValue(): boolean {
    const { batch, singles } = this.#encoded;
    const { reads, deletes, puts, expiringPuts } = batch;
    if (this.#index < reads.length || deletes.length + puts.length + expiringPuts.length > 0) return false;
    const kind = singles[0]?.kind;
    return kind === Kind.getAndDelete || kind === Kind.setIfNotExists;
  }

  /** Those before `index` have their answers: what ends the connection must not fail them again. */
  #brokenAt(index: number, message: string): ProtocolError {
    this.#index = index;
    return new ProtocolError(message);
  }

  /** As many as are of the usual kind, found and checked in one go. */
  #readScanned(slab: ReadSlab, region: ScanningRegion, reads: readonly Request[]): void {
    const { batch, readChecksums } = this.#encoded;
    const found = region.scan(slab.start, slab.end, readChecksums, this.#index, this.#runEnd);
    answerScanned(batch, reads, this.#index, found, region, slab.bytes, slab.end);
    slab.start = region.scannedTo;
    this.#index += found;
  }

  #readHeader(slab: ReadSlab, reads: readonly Request[]): boolean {
    while (slab.start < slab.end && slab.bytes[slab.start] === PUSH) {
      if (this.#context.parser.take(slab) === INCOMPLETE) return false;
    }
    if (slab.start >= slab.end) return false;
    const { tracked, keysPerCommand } = this.#encoded;
    if (this.#index < tracked && this.#tracking === undefined) return this.#readTracking(slab);
    const count = endOfRun(this.#index, tracked, reads.length, keysPerCommand) - this.#index;
    if (slab.bytes[slab.start] === MINUS) {
      const reply = this.#context.parser.takeAnswer(slab);
      if (reply === INCOMPLETE) return false;
      this.#tracking = undefined;
      this.#runEnd = this.#index + count;
      refuseRun(this.#encoded.batch, reads, this.#index, this.#runEnd, reply);
      this.#index = this.#runEnd;
      return true;
    }
    // Values whose changes nobody would tell of must not be taken for others: the connection ends.
    if (this.#tracking instanceof ErrorReply) throw new ProtocolError("the server does not track what is read");
    const expected = `*${count}\r\n`;
    if (slab.end - slab.start < expected.length) return false;
    for (let i = 0; i < expected.length; i++) {
      if (slab.bytes[slab.start + i] !== expected.charCodeAt(i)) {
        throw new ProtocolError("not the number of values asked for");
      }
    }
    slab.start += expected.length;
    this.#tracking = undefined;
    this.#runEnd = this.#index + count;
    return true;
  }

  /** A refusal says nothing yet: the server may well refuse the MGET behind it for the same reason. */
  #readTracking(slab: ReadSlab): boolean {
    const reply = this.#context.parser.takeAnswer(slab);
    if (reply === INCOMPLETE) return false;
    if (reply !== "OK" && !(reply instanceof ErrorReply)) throw new ProtocolError("not the answer of CLIENT CACHING");
    this.#tracking = reply;
    return true;
  }

  #skip(slab: ReadSlab): boolean {
    const skipped = Math.min(this.#skipBytes, slab.end - slab.start);
    slab.start += skipped;
    this.#skipBytes -= skipped;
    return this.#skipBytes === 0;
  }

  /**
   * Whether a value that does not verify under its key does so under the key before. One such value may have been
   * copied by somebody; two in a row mean that the values have shifted.
   */
  #belongsBefore(bytes: Buffer, from: number, until: number, index: number): boolean {
    if (index === 0) return false;
    try {
      this.#context.codec.decode(bytes, from, until, this.#encoded.readChecksums[index - 1]!);
      return true;
    } catch {
      return false;
    }
  }
}
