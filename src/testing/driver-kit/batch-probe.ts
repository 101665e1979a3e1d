import { Batch } from "../../backends/batch.js";
import type { Driver } from "../../backends/contract.js";
import { Kind, Request, type RequestDetail, type TransactionStep } from "../../backends/request.js";
import type { StateError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import type { Value } from "../../core/value.js";

/**
 * Stands in for the pipeline: builds one batch, hands it to a driver and has a promise for each request. A second
 * settling of a request, a completion before the last settling or a second completion throws.
 */
export class BatchProbe {
  readonly #driver: Driver;
  readonly #batch: Batch;
  readonly #open = new Map<Request, { resolve: (result: unknown) => void; reject: (error: StateError) => void }>();
  #complete: () => void = () => {};
  #completed = false;
  readonly completion: Promise<void>;

  constructor(driver: Driver) {
    this.#driver = driver;
    this.completion = new Promise((resolve) => {
      this.#complete = resolve;
    });
    this.#batch = new Batch({
      nowUs: () => 0,
      defersDecoding: () => false,
      requestSucceeded: (_batch, leader, result) => this.#take(leader).resolve(result),
      requestFailed: (_batch, leader, error) => this.#take(leader).reject(error),
      batchCompleted: () => {
        if (this.#completed) throw new Error("the batch was completed twice");
        if (this.#open.size > 0) throw new Error("the batch was completed before all requests were settled");
        this.#completed = true;
        this.#complete();
      },
    });
  }

  get(key: CanonicalKey): Promise<Buffer | null> {
    return this.#add(this.#batch.reads, Kind.get, key) as Promise<Buffer | null>;
  }

  contains(key: CanonicalKey): Promise<boolean> {
    return this.#add(this.#batch.probes, Kind.contains, key) as Promise<boolean>;
  }

  delete(key: CanonicalKey): Promise<boolean> {
    return this.#add(this.#batch.deletes, Kind.delete, key) as Promise<boolean>;
  }

  put(key: CanonicalKey, value: Value, ttlMs = 0): Promise<void> {
    const group = ttlMs === 0 ? this.#batch.puts : this.#batch.expiringPuts;
    return this.#add(group, Kind.put, key, value, ttlMs) as Promise<void>;
  }

  setIfNotExists(key: CanonicalKey, value: Value, ttlMs = 0): Promise<boolean> {
    return this.#add(this.#batch.others, Kind.setIfNotExists, key, value, ttlMs) as Promise<boolean>;
  }

  getAndDelete(key: CanonicalKey): Promise<Buffer | null> {
    return this.#add(this.#batch.others, Kind.getAndDelete, key) as Promise<Buffer | null>;
  }

  compareAndSwap(key: CanonicalKey, expected: Value | null, next: Value | null, ttlMs = 0): Promise<boolean> {
    const detail = { expected, next };
    return this.#add(this.#batch.others, Kind.compareAndSwap, key, undefined, ttlMs, detail) as Promise<boolean>;
  }

  increment(key: CanonicalKey, by: bigint): Promise<bigint> {
    return this.#add(this.#batch.others, Kind.increment, key, undefined, 0, by) as Promise<bigint>;
  }

  ttl(key: CanonicalKey): Promise<number | null> {
    return this.#add(this.#batch.others, Kind.ttl, key) as Promise<number | null>;
  }

  expire(key: CanonicalKey, ttlMs: number): Promise<boolean> {
    return this.#add(this.#batch.others, Kind.expire, key, undefined, ttlMs) as Promise<boolean>;
  }

  transaction(steps: readonly TransactionStep[]): Promise<void> {
    return this.#add(this.#batch.others, Kind.transaction, "", undefined, 0, steps) as Promise<void>;
  }

  send(): void {
    this.#driver.execute(this.#batch);
  }

  #add(
    group: Request[],
    kind: Kind,
    key: CanonicalKey,
    value?: Value,
    ttlMs = 0,
    detail?: RequestDetail,
  ): Promise<unknown> {
    const request = new Request(kind, key, value, ttlMs, detail, 0, 3000);
    group.push(request);
    this.#batch.size++;
    return new Promise((resolve, reject) => this.#open.set(request, { resolve, reject }));
  }

  #take(request: Request): { resolve: (result: unknown) => void; reject: (error: StateError) => void } {
    const settlement = this.#open.get(request);
    if (settlement === undefined) throw new Error("a request was settled twice or was never sent");
    this.#open.delete(request);
    return settlement;
  }
}

/** Sends a batch of what `fill` asks for and resolves to its result. */
export function inOneBatch<Result>(driver: Driver, fill: (probe: BatchProbe) => Promise<Result>): Promise<Result> {
  const probe = new BatchProbe(driver);
  const result = fill(probe);
  probe.send();
  return result;
}
