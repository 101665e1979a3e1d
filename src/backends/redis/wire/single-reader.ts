import { crc32 } from "../../../core/crc32.js";
import { StateError } from "../../../core/errors.js";
import { keyBytes } from "../../../core/key.js";
import { copyOfValue } from "../../../core/value.js";
import { hasLostValue, lostValue } from "../../located-error.js";
import type { ReadSlab } from "../../read-slab.js";
import { type CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "../../request.js";
import type { EncodedBatch } from "./batch-encoder.js";
import { provePlace, settleDeleted } from "./deleted-values.js";
import { ErrorReply, ProtocolError } from "./protocol-error.js";
import type { ReaderContext } from "./reader-context.js";
import { placeOf, refusalOf, undecodable } from "./reply-errors.js";
import { INCOMPLETE, type Reply } from "./reply-parser.js";
import { swallowsReplies } from "./swallowed-replies.js";

/** Reads the answers to a batch's commands that stand for one operation each. */
export class SingleReader {
  readonly #encoded: EncodedBatch;
  readonly #context: ReaderContext;
  /** Told when a swap that was sent again has its answer. */
  readonly #onRepeated: () => void;
  #index = 0;
  /** Replies before EXEC still to come; -1: not inside a transaction. */
  #queuedLeft = -1;
  /** The answer to the PERSIST whose EXISTS is read next. */
  #persisted: number | ErrorReply | undefined;
  #transactionError: ErrorReply | undefined;
  /** A step was carried out at once instead of being queued. */
  #ranApart = false;
  #repeats = 0;

  constructor(encoded: EncodedBatch, context: ReaderContext, onRepeated: () => void) {
    this.#encoded = encoded;
    this.#context = context;
    this.#onRepeated = onRepeated;
  }

  /** How many have had their reply read; one of them may be a swap that was sent again. */
  get answered(): number {
    return this.#index;
  }

  /** Whether the batch has other answers before these. */
  get #isPreceded(): boolean {
    const { probes, reads, deletes, puts, expiringPuts } = this.#encoded.batch;
    return probes.length + reads.length + deletes.length + puts.length + expiringPuts.length > 0;
  }

  /** Compare-and-swaps sent again, whose answers are still to come. */
  get repeats(): number {
    return this.#repeats;
  }

  /** Consumes what there is; true when the last reply has been read. */
  read(slab: ReadSlab): boolean {
    const { singles } = this.#encoded;
    if (this.#index === 0 && this.#isPreceded) this.#context.place.isDoubtful = false;
    while (this.#index < singles.length) {
      const request = singles[this.#index]!;
      if (request.kind === Kind.transaction) {
        if (!this.#readTransaction(slab, request)) return false;
      } else if (request.kind === Kind.expire && request.ttlMs === 0 && this.#queuedLeft < 0) {
        const persisted = this.#context.parser.takeAnswer(slab);
        if (persisted === INCOMPLETE) return false;
        provePlace(this.#context, persisted);
        if (typeof persisted !== "number" && !(persisted instanceof ErrorReply))
          throw new ProtocolError("not the answer of a change of lifetime");
        this.#persisted = persisted;
        this.#queuedLeft = 0;
        continue;
      } else {
        const reply = this.#context.parser.takeAnswer(slab);
        if (reply === INCOMPLETE) return false;
        this.#settle(request, this.#persisted === undefined ? reply : persistOutcome(this.#persisted, reply));
        this.#persisted = undefined;
      }
      this.#queuedLeft = -1;
      this.#index++;
    }
    return true;
  }

  #settle(request: Request, reply: Reply): void {
    const { batch } = this.#encoded;
    if (request.kind !== Kind.getAndDelete || reply instanceof ErrorReply) provePlace(this.#context, reply);
    if (reply instanceof ErrorReply) {
      batch.fail(request, refusalOf(request, reply));
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
        // Beyond 2^53 ms it comes as a bigint.
        if (typeof reply !== "number" && typeof reply !== "bigint") throw new ProtocolError("not a lifetime");
        batch.succeed(request, reply === -2 ? null : reply === -1 ? Number.POSITIVE_INFINITY : Number(reply));
        break;
      case Kind.getAndDelete:
        this.#settleDeleted(request, reply);
        break;
      case Kind.compareAndSwap:
        this.#settleSwap(request, reply);
        break;
      default:
        throw new ProtocolError(`operation ${request.kind} has no reply`);
    }
  }

  #settleDeleted(request: Request, reply: Reply): void {
    const broken = settleDeleted(this.#encoded.batch, request, reply, this.#context, this.#keyChecksum(request));
    if (broken === undefined) return;
    // It has its answer: what ends the connection must not fail it again.
    this.#index++;
    throw new ProtocolError(broken);
  }

  #settleSwap(request: Request, reply: Reply): void {
    const { batch } = this.#encoded;
    if (reply === 0 || reply === 1) {
      batch.succeed(request, reply === 1);
      return;
    }
    // In an array, so that a value which answers something else is not taken for it.
    const stored = Array.isArray(reply) ? reply[0] : undefined;
    if (!Buffer.isBuffer(stored)) throw new ProtocolError("not the answer of a compare-and-swap");
    if (hasLostValue(request)) {
      batch.fail(request, lostValue().concerning(placeOf(request)));
      return;
    }
    const { expected } = request.detail as CompareAndSwapDetail;
    let current: Buffer;
    try {
      current = this.#context.codec.decode(stored, 0, stored.length, this.#keyChecksum(request));
    } catch (error) {
      batch.fail(request, undecodable(request, error));
      if (!swallowsReplies(this.#context.codec, stored, 0, stored.length, this.#keyChecksum(request))) return;
      this.#index++;
      throw new ProtocolError("a value holds the replies behind it");
    }
    if (expected === null || !copyOfValue(expected).equals(current)) {
      batch.succeed(request, false);
      return;
    }
    // Given up meanwhile by its caller, who may have gone on: what was not sent is not sent any more.
    if (request.settled) {
      batch.succeed(request, false);
      return;
    }
    this.#repeats++;
    this.#context.swapAgain(request, stored, (again) => {
      this.#repeats--;
      if (again instanceof StateError) batch.fail(request, again);
      else if (again instanceof ErrorReply) batch.fail(request, refusalOf(request, again));
      else batch.succeed(request, again === 1);
      this.#onRepeated();
    });
  }

  /** MULTI, one QUEUED a step, and the reply of EXEC. */
  #readTransaction(slab: ReadSlab, request: Request): boolean {
    const { batch } = this.#encoded;
    const steps = request.detail as readonly TransactionStep[];
    if (this.#queuedLeft < 0) {
      this.#queuedLeft = steps.length + 1;
      this.#transactionError = undefined;
      this.#ranApart = false;
    }
    while (this.#queuedLeft > 0) {
      const queued = this.#context.parser.takeAnswer(slab);
      if (queued === INCOMPLETE) return false;
      provePlace(this.#context, queued);
      const isStep = this.#queuedLeft <= steps.length;
      if (queued instanceof ErrorReply) this.#transactionError ??= queued;
      else if (isStep && queued !== "QUEUED") this.#ranApart = true;
      this.#queuedLeft--;
    }
    const outcome = this.#context.parser.takeAnswer(slab);
    if (outcome === INCOMPLETE) return false;
    const failed = Array.isArray(outcome) ? outcome.find((item) => item instanceof ErrorReply) : outcome;
    if (failed === undefined) {
      batch.succeed(request, undefined);
      return true;
    }
    const hasRun = Array.isArray(outcome);
    const refusal = refusalOf(request, hasRun ? failed : (this.#transactionError ?? failed));
    // A server does not take back what was done before a step failed, nor what it did because it refused MULTI.
    const mayBeDone = hasRun || this.#ranApart;
    batch.fail(request, mayBeDone ? refusal.concerning({ ...placeOf(request), outcome: "unknown" }) : refusal);
    return true;
  }

  #keyChecksum(request: Request): number {
    return crc32(keyBytes(request.key), 0, undefined, crc32(this.#context.keyPrefix));
  }
}

/**
 * What the answers of PERSIST and EXISTS together say. A server that refuses to change the key may well say that it
 * exists; where the lifetime is gone the key was there, even if the server refuses to say so or it has gone since.
 */
function persistOutcome(persisted: number | ErrorReply, exists: Reply): Reply {
  if (persisted instanceof ErrorReply) return persisted;
  return persisted === 1 && (exists instanceof ErrorReply || exists === 0) ? persisted : exists;
}
