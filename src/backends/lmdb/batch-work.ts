import { StateError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import type { Batch } from "../batch.js";
import { executeOther, timeToLive } from "../conditional-operations.js";
import { locateError } from "../located-error.js";
import { Kind, type Request, type TransactionStep } from "../request.js";
import type { LmdbStore } from "./lmdb-store.js";

const NAME = "lmdb";

/**
 * What is left to do of a batch. Reads are answered as soon as nothing that comes before them can change the answer;
 * writes, and the reads that could not be, have their results here until the commit.
 */
export class BatchWork {
  readonly batch: Batch;
  /** Reads whose key had a pending write when they were last tried. */
  #deferred: Request[] = [];
  /** In the order of `#forEachOpen`. */
  #results: unknown[] = [];
  #defers: boolean | undefined;

  constructor(batch: Batch) {
    this.batch = batch;
  }

  /** Answers the reads, save those of keys that `isPending`. */
  answerReads(store: LmdbStore, isPending: (key: CanonicalKey) => boolean): void {
    const { batch } = this;
    for (const request of batch.probes) this.#answerOrDefer(store, request, isPending);
    for (const request of batch.reads) this.#answerOrDefer(store, request, isPending);
    for (const request of batch.others) {
      if (request.kind === Kind.ttl) this.#answerOrDefer(store, request, isPending);
    }
  }

  answerDeferred(store: LmdbStore, isPending: (key: CanonicalKey) => boolean): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const request of deferred) this.#answerOrDefer(store, request, isPending);
  }

  get hasDeferred(): boolean {
    return this.#deferred.length > 0;
  }

  get hasWrites(): boolean {
    const { deletes, puts, expiringPuts } = this.batch;
    return deletes.length + puts.length + expiringPuts.length > 0 || this.#hasConditional();
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

  /** Issues the writes. To be called once, within a transaction of the library unless the work is blind. */
  run(store: LmdbStore): void {
    this.#forEachOpen((request) => {
      try {
        this.#results.push(runRequest(store, request));
      } catch (error) {
        this.#results.push(locateError(error, request, NAME));
      }
    });
  }

  /** Hands out the results; to be called when they are on the disk. */
  settle(): void {
    let index = 0;
    this.batch.stampResults();
    this.#forEachOpen((request) => {
      const result = this.#results[index++];
      if (result instanceof StateError) this.batch.fail(request, result);
      else this.batch.succeed(request, result);
    });
    this.batch.complete();
  }

  /**
   * Ends the work without a commit. Requests that had failed by themselves keep their own error; reads that waited for
   * the writes are answered without them, if there is still a store to read from.
   */
  fail(error: StateError, store?: LmdbStore): void {
    let index = 0;
    this.#forEachOpen((request) => {
      const result = this.#results[index++];
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

  #answer(store: LmdbStore, request: Request): void {
    let result: unknown;
    try {
      if (request.kind === Kind.get) {
        const found = store.getOrDefer(request.key, this.#defersDecoding);
        if (found !== null && !Buffer.isBuffer(found)) {
          this.batch.succeedStored(request, found.stored, found.keyChecksum);
          return;
        }
        result = found;
      } else {
        result = runRequest(store, request);
      }
    } catch (error) {
      this.batch.fail(request, locateError(error, request, NAME));
      return;
    }
    this.batch.succeed(request, result);
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
    case Kind.put:
      store.put(request.key, request.value!, request.ttlMs);
      return undefined;
    case Kind.delete: {
      const existed = store.exists(request.key);
      if (existed) store.remove(request.key);
      return existed;
    }
    case Kind.ttl:
      return timeToLive(store, request.key);
    default:
      return executeOther(store, request);
  }
}
