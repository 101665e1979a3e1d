import { StateError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import { shortLivedList } from "../../core/short-lived-list.js";
import type { Batch } from "../batch.js";
import { executeOther, timeToLive } from "../conditional-operations.js";
import { locateError } from "../located-error.js";
import { Kind, type Request, type TransactionStep } from "../request.js";
import type { LmdbStore, UndecodedValue } from "./lmdb-store.js";
import type { Room } from "./room.js";

const NAME = "lmdb";

/**
 * What is left to do of a batch. Reads are answered as soon as nothing that comes before them can change the answer;
 * writes, and the reads that could not be, have their results here until the commit.
 */
export class BatchWork {
  readonly batch: Batch;
  readonly hasWrites: boolean;
  /** Reads whose key had a pending write when they were last tried. */
  #deferred: Request[] = shortLivedList();
  /** Those of deferred reads, deletes and `others`, in the order of `#forEachOpen`. */
  #results: unknown[] = shortLivedList();
  /** What is wrong with single puts, and with what found no room; nothing, as a rule. */
  #failed: Map<Request, StateError> | undefined;
  #defers: boolean | undefined;

  constructor(batch: Batch) {
    this.batch = batch;
    const { deletes, puts, expiringPuts } = batch;
    this.hasWrites = deletes.length + puts.length + expiringPuts.length > 0 || this.#hasConditional();
  }

  /** Answers the reads, save those of keys that `isPending`. */
  answerReads(store: LmdbStore, isPending: (key: CanonicalKey) => boolean): void {
    const { batch } = this;
    if (batch.probes.length + batch.reads.length + batch.others.length > 0) store.readLatest();
    for (const request of batch.probes) this.#answerOrDefer(store, request, isPending);
    if (batch.reads.length > 0) this.#answerGets(store, isPending);
    for (const request of batch.others) {
      if (request.kind === Kind.ttl) this.#answerOrDefer(store, request, isPending);
    }
  }

  answerDeferred(store: LmdbStore, isPending: (key: CanonicalKey) => boolean): void {
    const deferred = this.#deferred;
    this.#deferred = shortLivedList();
    for (const request of deferred) this.#answerOrDefer(store, request, isPending);
  }

  get hasDeferred(): boolean {
    return this.#deferred.length > 0;
  }

  /** True: nothing in it must be read inside the write transaction. */
  get isBlind(): boolean {
    return this.#deferred.length === 0 && this.batch.deletes.length === 0 && !this.#hasConditional();
  }

  forEachWrittenKey(visit: (key: CanonicalKey) => void): void {
    const { deletes, puts, expiringPuts, others } = this.batch;
    for (const request of deletes) visit(request.key);
    for (const request of puts) visit(request.key);
    for (const request of expiringPuts) visit(request.key);
    for (const request of others) {
      if (request.kind === Kind.ttl) continue;
      if (request.kind !== Kind.transaction) visit(request.key);
      else for (const step of request.detail as readonly TransactionStep[]) visit(step.key);
    }
  }

  /** Ends the requests that find no room, so that the others can be run without them. */
  refuseBeyond(room: Room): void {
    room.share(this.batch, this.#fail);
  }

  /** Issues the writes. To be called once, within a transaction of the library unless the work is blind. */
  run(store: LmdbStore): void {
    const { deletes, puts, expiringPuts, others } = this.batch;
    for (const request of this.#deferred) this.#runOne(store, request);
    for (const request of deletes) this.#runOne(store, request);
    this.#runPuts(store, puts);
    this.#runPuts(store, expiringPuts);
    for (const request of others) if (request.kind !== Kind.ttl) this.#runOne(store, request);
  }

  /** Hands out the results; to be called when they are on the disk. */
  settle(): void {
    const { batch } = this;
    const { deletes, puts, expiringPuts, others } = batch;
    let index = 0;
    const give = (request: Request): void => {
      const result = this.#results[index++];
      if (result instanceof StateError) batch.fail(request, result);
      else batch.succeed(request, result);
    };
    batch.stampResults();
    for (const request of this.#deferred) give(request);
    for (const request of deletes) give(request);
    for (const request of puts) this.#settlePut(request);
    for (const request of expiringPuts) this.#settlePut(request);
    for (const request of others) if (request.kind !== Kind.ttl) give(request);
    batch.complete();
  }

  /**
   * Ends the work without a commit. Requests that had failed by themselves keep their own error; reads that waited for
   * the writes are answered without them, if there is still a store to read from.
   */
  fail(error: StateError, store?: LmdbStore): void {
    let index = 0;
    this.#forEachOpen((request) => {
      const ownResult = request.kind === Kind.put ? undefined : this.#results[index++];
      const result = this.#failed?.get(request) ?? ownResult;
      if (result instanceof StateError) {
        this.batch.fail(request, result);
      } else if (isRead(request)) {
        if (store === undefined) this.batch.fail(request, locateError(error, request, NAME, "not-applied"));
        else this.#answer(store, request);
      } else {
        this.batch.fail(request, locateError(error, request, NAME));
      }
    });
    this.batch.complete();
  }

  #answerOrDefer(store: LmdbStore, request: Request, isPending: (key: CanonicalKey) => boolean): void {
    if (isPending(request.key)) {
      this.#deferred.push(request);
    } else {
      this.#answer(store, request);
    }
  }

  #answerGets(store: LmdbStore, isPending: (key: CanonicalKey) => boolean): void {
    const { batch } = this;
    const { smallValues } = store;
    const refuse = (request: Request, stored: Buffer): void =>
      this.#answerWith(request, () => store.decodeStored(request.key, stored));
    for (const request of batch.reads) {
      if (isPending(request.key)) {
        this.#deferred.push(request);
        continue;
      }
      let record: Buffer | undefined;
      try {
        record = store.record(request.key);
      } catch (error) {
        batch.fail(request, locateError(error, request, NAME));
        continue;
      }
      if (record === undefined) {
        batch.succeed(request, null);
      } else if (smallValues === undefined || !smallValues.take(request, record)) {
        this.#answerFound(store, request, record);
      } else if (!smallValues.hasRoom) {
        smallValues.settle(batch, refuse);
      }
    }
    smallValues?.settle(batch, refuse);
  }

  #answer(store: LmdbStore, request: Request): void {
    if (request.kind !== Kind.get) {
      this.#answerWith(request, () => runRequest(store, request));
      return;
    }
    let record: Buffer | undefined;
    try {
      record = store.record(request.key);
    } catch (error) {
      this.batch.fail(request, locateError(error, request, NAME));
      return;
    }
    if (record === undefined) this.batch.succeed(request, null);
    else this.#answerFound(store, request, record);
  }

  #answerFound(store: LmdbStore, request: Request, record: Buffer): void {
    const { batch } = this;
    let found: Buffer | UndecodedValue;
    try {
      found = store.decodeOrDefer(request.key, record, this.#defersDecoding);
    } catch (error) {
      batch.fail(request, locateError(error, request, NAME));
      return;
    }
    if (Buffer.isBuffer(found)) batch.succeed(request, found);
    else batch.succeedStored(request, found.stored, found.keyChecksum);
  }

  #answerWith(request: Request, answer: () => unknown): void {
    let result: unknown;
    try {
      result = answer();
    } catch (error) {
      this.batch.fail(request, locateError(error, request, NAME));
      return;
    }
    this.batch.succeed(request, result);
  }

  #runPuts(store: LmdbStore, puts: readonly Request[]): void {
    const failed = this.#failed;
    const left = failed === undefined ? puts : puts.filter((request) => !failed.has(request));
    if (left.length > 0) store.putAll(left, this.#fail);
  }

  #runOne(store: LmdbStore, request: Request): void {
    const refused = this.#failed?.get(request);
    if (refused !== undefined) {
      this.#results.push(refused);
      return;
    }
    try {
      this.#results.push(runRequest(store, request));
    } catch (error) {
      this.#results.push(locateError(error, request, NAME));
    }
  }

  readonly #fail = (request: Request, error: unknown): void => {
    this.#failed ??= new Map();
    this.#failed.set(request, locateError(error, request, NAME));
  };

  #settlePut(request: Request): void {
    const error = this.#failed?.get(request);
    if (error === undefined) this.batch.succeed(request, undefined);
    else this.batch.fail(request, error);
  }

  readonly #defersDecoding = (rawBytes: number): boolean => {
    this.#defers ??= this.batch.defersDecoding(rawBytes);
    return this.#defers;
  };

  #hasConditional(): boolean {
    for (const request of this.batch.others) if (request.kind !== Kind.ttl) return true;
    return false;
  }

  #forEachOpen(visit: (request: Request) => void): void {
    const { deletes, puts, expiringPuts, others } = this.batch;
    for (const request of this.#deferred) visit(request);
    for (const request of deletes) visit(request);
    for (const request of puts) visit(request);
    for (const request of expiringPuts) visit(request);
    for (const request of others) if (request.kind !== Kind.ttl) visit(request);
  }
}

function isRead(request: Request): boolean {
  return request.kind === Kind.get || request.kind === Kind.contains || request.kind === Kind.ttl;
}

function runRequest(store: LmdbStore, request: Request): unknown {
  switch (request.kind) {
    case Kind.get:
      return store.get(request.key);
    case Kind.contains:
      return store.exists(request.key);
    case Kind.delete: {
      // What cannot be read can at least be removed.
      const existed = store.isLive(request.key);
      if (existed) store.remove(request.key);
      return existed;
    }
    case Kind.ttl:
      return timeToLive(store, request.key);
    default:
      return executeOther(store, request);
  }
}
