import { StateError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { shortLivedList } from "../core/short-lived-list.js";
import type { Value } from "../core/value.js";
import type { Batch } from "./batch.js";
import { type EntryAccess, executeOther, type FoundEntry } from "./conditional-operations.js";
import { locateError } from "./located-error.js";
import { Kind, type Request } from "./request.js";

/**
 * Runs a whole batch against a store that answers at once, in the order of its groups, and keeps the results until the
 * store has made them last: begin a transaction, `run`, commit, `settle`; or `fail` if that did not work.
 *
 * A request that cannot be run (a value that does not verify, a counter that overflows) fails alone and has changed
 * nothing; what `access` throws is taken to have changed nothing either.
 */
export class BatchRun<Entry extends FoundEntry> {
  readonly #batch: Batch;
  readonly #access: EntryAccess<Entry>;
  readonly #backend: string;
  /** In the order of `forEachLeader`. */
  readonly #results: unknown[] = shortLivedList();

  constructor(batch: Batch, access: EntryAccess<Entry>, backend: string) {
    this.#batch = batch;
    this.#access = access;
    this.#backend = backend;
  }

  run(): void {
    this.#batch.forEachLeader((request) => {
      try {
        this.#results.push(this.#runOne(request));
      } catch (error) {
        this.#results.push(locateError(error, request, this.#backend, "not-applied"));
      }
    });
  }

  /** Hands out the results and completes the batch. */
  settle(): void {
    let index = 0;
    this.#batch.stampResults();
    this.#batch.forEachLeader((request) => {
      const result = this.#results[index++];
      if (result instanceof StateError) this.#batch.fail(request, result);
      else this.#batch.succeed(request, result);
    });
    this.#batch.complete();
  }

  /** Fails every request that has no error of its own, and completes the batch. */
  fail(error: StateError): void {
    let index = 0;
    this.#batch.forEachLeader((request) => {
      const result = this.#results[index++];
      const reads = request.kind === Kind.get || request.kind === Kind.contains || request.kind === Kind.ttl;
      const own = result instanceof StateError ? result : undefined;
      this.#batch.fail(request, own ?? locateError(error, request, this.#backend, reads ? "not-applied" : undefined));
    });
    this.#batch.complete();
  }

  #runOne(request: Request): unknown {
    const access = this.#access;
    const { key } = request;
    switch (request.kind) {
      case Kind.get: {
        const entry = access.find(key);
        return entry === undefined ? null : access.valueOf(key, entry);
      }
      case Kind.contains:
        return access.find(key) !== undefined;
      case Kind.delete: {
        const entry = access.find(key);
        if (entry !== undefined) access.remove(key, entry);
        return entry !== undefined;
      }
      case Kind.put:
        this.#put(key, request.value as Value, request.ttlMs);
        return undefined;
      default:
        return executeOther(access, request);
    }
  }

  #put(key: CanonicalKey, value: Value, ttlMs: number): void {
    const { nowMs } = this.#access;
    this.#access.putEncoded(key, this.#access.encode(key, value), ttlMs === 0 ? 0 : nowMs + ttlMs);
  }
}
