import type { StateError } from "../../../core/errors.js";
import type { ReadSlab } from "../../read-slab.js";
import type { Request } from "../../request.js";
import type { EncodedBatch } from "./batch-encoder.js";
import { provePlace } from "./deleted-values.js";
import { settleIncrements } from "./increment-answers.js";
import { ProtocolError } from "./protocol-error.js";
import type { ReaderContext } from "./reader-context.js";
import { refusalOf, refuseRun } from "./reply-errors.js";
import { INCOMPLETE } from "./reply-parser.js";
import { SingleReader } from "./single-reader.js";
import { ValueReader } from "./value-reader.js";

const CR = 13;
const LF = 10;
const PLUS = 0x2b;
const COLON = 0x3a;

const PROBES = 0;
const READS = 1;
const DELETES = 2;
const PUTS = 3;
const EXPIRING_PUTS = 4;
const SINGLES = 5;
const INCREMENTS = 6;
const DONE = 7;

/** Turns the replies to one encoded batch into settled requests, as far as they have arrived. */
export class BatchReader {
  readonly encoded: EncodedBatch;
  readonly #context: ReaderContext;
  readonly #values: ValueReader | undefined;
  readonly #singles: SingleReader | undefined;
  #phase = PROBES;
  /** How many requests of a phase without a reader of its own have their answers. */
  #index = 0;
  #read = false;

  constructor(encoded: EncodedBatch, context: ReaderContext) {
    this.encoded = encoded;
    this.#context = context;
    if (encoded.batch.reads.length > 0) this.#values = new ValueReader(encoded, context);
    if (encoded.singles.length > 0) this.#singles = new SingleReader(encoded, context, () => this.#completeIfDone());
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
          if (this.#values?.read(slab) === false) return false;
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
          if (this.#singles?.read(slab) === false) return false;
          break;
        case INCREMENTS:
          if (!this.#readIncrements(slab)) return false;
          break;
        case DONE:
          if (this.#singles === undefined) this.#context.place.isDoubtful = false;
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
    const phase = this.#phase;
    const index =
      (phase === READS ? this.#values : phase === SINGLES ? this.#singles : undefined)?.answered ?? this.#index;
    const answered = new Set([...inOrder.slice(0, phase), (inOrder[phase] ?? []).slice(0, index)].flat(2));
    for (const request of this.#values?.unproven ?? []) answered.delete(request);
    return answered;
  }

  #completeIfDone(): void {
    if (this.#read && (this.#singles === undefined || this.#singles.repeats === 0)) this.encoded.batch.complete();
  }

  #readPuts(slab: ReadSlab): boolean {
    const { batch, keysPerCommand } = this.encoded;
    const { puts } = batch;
    while (this.#index < puts.length) {
      const count = Math.min(keysPerCommand, puts.length - this.#index);
      if (!this.#readRun(slab, puts, this.#index, count)) return false;
      this.#index += count;
    }
    return true;
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
        const reply = this.#context.parser.takeAnswer(slab);
        if (reply === INCOMPLETE) return false;
        if (typeof reply === "number") batch.succeed(request, reply > 0);
        else batch.fail(request, refusalOf(request, reply));
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
    const reply = this.#context.parser.takeAnswer(slab);
    if (reply === INCOMPLETE) return false;
    if (reply !== "OK" && reply !== 1) refuseRun(batch, requests, from, from + count, reply);
    else for (let i = from; i < from + count; i++) batch.succeed(requests[i]!, undefined);
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

  #readIncrements(slab: ReadSlab): boolean {
    const { batch, increments } = this.encoded;
    while (this.#index < increments.length) {
      const reply = this.#context.parser.takeAnswer(slab);
      if (reply === INCOMPLETE) return false;
      provePlace(this.#context, reply);
      settleIncrements(batch, increments[this.#index]!, reply, this.#context.onError);
      this.#index++;
    }
    return true;
  }
}
