import { BackendError, CorruptValueError, type StateError } from "../../core/errors.js";
import type { Batch } from "../batch.js";
import { locateError } from "../located-error.js";
import type { ReadSlab } from "../read-slab.js";
import { Kind, type Request } from "../request.js";
import { answerScanned } from "../scanned-values.js";
import { BACKEND, mayBeForOneRow, refusedError, type ServerFailure } from "./errors.js";
import { ProtocolError } from "./wire/message-reader.js";
import type { Exchange } from "./wire/wire-session.js";

/** Where the exchanges of a batch report to. */
export interface BatchProgress {
  readonly batch: Batch;
  /** To be called before results are handed out. */
  stamp(): void;
  failed(request: Request, error: StateError): void;
  exchangeEnded(failure?: ServerFailure): void;
}

/** The length of a row's column, and where it begins: the row must have so many columns. */
export function firstColumn(bytes: Buffer, start: number, columns: number): number {
  if (((bytes[start]! << 8) | bytes[start + 1]!) !== columns) throw new ProtocolError("a row of another shape");
  return start + 2;
}

/** Where a column of so many bytes, whose length stands at `at`, ends; it must lie within the row. */
export function fixedColumn(bytes: Buffer, at: number, end: number, length: number): number {
  const next = at + 4 + length;
  if (next > end || bytes.readInt32BE(at) !== length) throw new ProtocolError("a column of another length");
  return next;
}

/** One statement, whose requests fail together when it does. */
abstract class StatementExchange implements Exchange {
  protected readonly progress: BatchProgress;
  protected readonly requests: readonly Request[];
  /** Requests before this one have their answer. */
  protected answered = 0;
  /** Whether fewer share the statement where it has been refused: those that write rows. */
  protected readonly isDivisible: boolean = false;

  constructor(progress: BatchProgress, requests: readonly Request[]) {
    this.progress = progress;
    this.requests = requests;
  }

  abstract row(bytes: Buffer, start: number, end: number): void;
  /** Answers what is still open, once the server has committed. */
  protected abstract finish(): void;

  settled(failure: ServerFailure | undefined): void {
    if (failure === undefined) {
      this.progress.stamp();
      this.finish();
    } else {
      this.#refuse(this.requests.slice(this.answered), failure);
    }
    this.progress.exchangeEnded(failure);
  }

  lost(cause: StateError, wasSent: boolean): void {
    for (const request of this.requests.slice(this.answered)) {
      this.progress.failed(request, lostError(request, cause, wasSent));
    }
    this.progress.exchangeEnded();
  }

  #refuse(requests: readonly Request[], failure: ServerFailure): void {
    const isShared = this.isDivisible && requests.length > 1 && mayBeForOneRow(failure);
    const error = refusedError(failure);
    for (const request of requests) {
      const located = locateError(error, request, BACKEND);
      if (isShared) this.progress.batch.refuseWithOthers(request, located);
      else this.progress.failed(request, located);
    }
  }
}

/** No answer will come: a write that was sent may have been applied. */
export function lostError(request: Request, cause: StateError, wasSent = true): StateError {
  return locateError(cause, request, BACKEND, isReadOnly(request) || !wasSent ? "not-applied" : "unknown");
}

export function isReadOnly(request: Request): boolean {
  return request.kind === Kind.get || request.kind === Kind.contains || request.kind === Kind.ttl;
}

/** A statement that answers with one row of one column a request, in their order. */
export class PositionalExchange extends StatementExchange {
  readonly #answer: (request: Request, index: number, bytes: Buffer, at: number, length: number) => void;

  /** @param answer `length` -1: null */
  constructor(
    progress: BatchProgress,
    requests: readonly Request[],
    answer: (request: Request, index: number, bytes: Buffer, at: number, length: number) => void,
  ) {
    super(progress, requests);
    this.#answer = answer;
  }

  row(bytes: Buffer, start: number, end: number): void {
    const index = this.answered;
    const request = this.requests[index];
    if (request === undefined) throw new ProtocolError("more rows than keys");
    const at = firstColumn(bytes, start, 1);
    const length = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (at + 4 + Math.max(0, length) !== end) throw new ProtocolError("a column of another length");
    this.progress.stamp();
    this.answered++;
    this.#answer(request, index, bytes, at + 4, length);
  }

  protected finish(): void {
    // An error and its stack take some 10 us, which nearly every batch can do without.
    if (this.answered === this.requests.length) return;
    const missing = new BackendError("the server answered with fewer rows than keys", { reason: "ERR_PROTOCOL" });
    for (const request of this.requests.slice(this.answered)) {
      this.progress.failed(request, locateError(missing, request, BACKEND));
    }
  }
}

/** Values of keys: small ones that are stored as they are, nearly all, are found and checked together. */
export class ValuesExchange extends PositionalExchange {
  readonly #checksums: Uint32Array | undefined;

  /** @param checksums CRC-32 of the stored keys; undefined: values are to be looked at one by one */
  constructor(
    progress: BatchProgress,
    requests: readonly Request[],
    checksums: Uint32Array | undefined,
    answer: (request: Request, index: number, bytes: Buffer, at: number, length: number) => void,
  ) {
    super(progress, requests, answer);
    this.#checksums = checksums;
  }

  rows(slab: ReadSlab): boolean {
    const { region } = slab;
    const checksums = this.#checksums;
    if (region === undefined || checksums === undefined) return false;
    const first = this.answered;
    const found = region.scanRows(slab.start, slab.end, checksums, first, this.requests.length);
    if (found === 0) return false;
    this.progress.stamp();
    this.answered = first + found;
    answerScanned(this.progress.batch, this.requests, first, found, region, slab.bytes, slab.end);
    slab.start = region.scannedTo;
    return true;
  }
}

/** A row of one column, which is empty. */
const EMPTY_ROW_BYTES = 2 + 4;

/** Values of keys that a replica has: what it does not answer, for whatever reason, is asked elsewhere. */
export class ReplicaExchange extends ValuesExchange {
  readonly #uncertain: Request[];
  readonly #ended: (unanswered: readonly Request[]) => void;

  /**
   * @param uncertain is added to: what is not to be believed, wherever that shows
   * @param ended called once, instead of `exchangeEnded` of `progress`
   */
  constructor(
    progress: BatchProgress,
    requests: readonly Request[],
    checksums: Uint32Array | undefined,
    answer: ConstructorParameters<typeof ValuesExchange>[3],
    uncertain: Request[],
    ended: (unanswered: readonly Request[]) => void,
  ) {
    super(progress, requests, checksums, answer);
    this.#uncertain = uncertain;
    this.#ended = ended;
  }

  override row(bytes: Buffer, start: number, end: number): void {
    const request = this.requests[this.answered];
    const isEmpty = end - start === EMPTY_ROW_BYTES && bytes.readInt32BE(start + 2) === 0;
    if (request === undefined || !isEmpty) {
      super.row(bytes, start, end);
      return;
    }
    // It may have said so of an empty value as well, which is rare enough to be asked for twice.
    this.#uncertain.push(request);
    this.answered++;
  }

  override settled(): void {
    this.#end();
  }

  override lost(): void {
    this.#end();
  }

  #end(): void {
    this.#ended([...this.#uncertain, ...this.requests.slice(this.answered)]);
  }
}

const DELETE_ROW_BYTES = 2 + 4 + 8 + 4 + 1;

/** Deletes: what was there is told row by row, and holds once it is committed. */
export class RemoveExchange extends StatementExchange {
  protected override readonly isDivisible = true;
  readonly #existed: Uint8Array;

  constructor(progress: BatchProgress, requests: readonly Request[]) {
    super(progress, requests);
    this.#existed = new Uint8Array(requests.length);
  }

  row(bytes: Buffer, start: number, end: number): void {
    firstColumn(bytes, start, 2);
    if (end - start !== DELETE_ROW_BYTES) throw new ProtocolError("a row of another shape");
    const index = bytes.readInt32BE(start + 10) - 1;
    if (index < 0 || index >= this.#existed.length) throw new ProtocolError("a row of no key");
    this.#existed[index] = bytes[end - 1]!;
  }

  protected finish(): void {
    for (let i = 0; i < this.requests.length; i++) {
      this.progress.batch.succeed(this.requests[i]!, this.#existed[i] === 1);
    }
  }
}

/** Puts: nothing but that they are committed. */
export class PutExchange extends StatementExchange {
  protected override readonly isDivisible = true;

  row(): void {
    throw new ProtocolError("a row of nothing");
  }

  protected finish(): void {
    const { batch } = this.progress;
    for (let i = 0; i < this.requests.length; i++) batch.succeed(this.requests[i]!, undefined);
  }
}

export function tooLargeError(maxValueBytes: number): CorruptValueError {
  return new CorruptValueError(`the value is longer than maxValueBytes (${maxValueBytes})`, {
    reason: "ERR_VALUE_TOO_LARGE",
  });
}
