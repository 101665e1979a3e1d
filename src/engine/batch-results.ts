import type { ResultCollector } from "../backends/request.js";
import { StateError } from "../core/errors.js";
import { shortLivedList } from "../core/short-lived-list.js";

/** Gathers the results of one multi-key call; the call settles when its last key has. */
abstract class BatchResults<T> implements ResultCollector {
  readonly promise: Promise<T>;
  #resolve!: (result: T) => void;
  #reject!: (error: Error) => void;
  #left: number;
  abstract readonly call: 0 | 1 | 2;
  readonly #operation: string;
  readonly #onEnd: (error: Error | undefined) => void;
  #failed = 0;
  #refused = 0;
  #firstError: Error | undefined;
  readonly #size: number;

  constructor(operation: string, size: number, onEnd: (error: Error | undefined) => void) {
    this.#operation = operation;
    this.#left = size;
    this.#size = size;
    this.#onEnd = onEnd;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  settle(index: number, result: unknown): void {
    this.take(index, result);
    if (--this.#left === 0) this.#end();
  }

  fail(_index: number, error: Error): void {
    this.#firstError ??= error;
    this.#failed++;
    if (error instanceof StateError && error.outcome === "not-applied") this.#refused++;
    if (--this.#left === 0) this.#end();
  }

  /** The call ends before any of its keys is sent; whoever made it has the error. */
  refuse(error: Error): void {
    this.#onEnd(error);
  }

  protected abstract take(index: number, result: unknown): void;
  protected abstract get result(): T;
  protected get isRead(): boolean {
    return false;
  }

  #end(): void {
    const error = this.#firstError;
    this.#onEnd(error);
    if (error === undefined) {
      this.#resolve(this.result);
    } else if (error instanceof StateError) {
      // Some of the keys may have been written, so only a write that failed for every key was not applied.
      const outcome = this.#refused === (this.isRead ? this.#failed : this.#size) ? "not-applied" : "unknown";
      const key = error.key === undefined ? {} : { key: error.key };
      const summary = `${this.#failed} of ${this.#size} keys failed, the first of them: ${error.summary}`;
      this.#reject(error.concerning({ ...key, operation: this.#operation, outcome }, summary));
    } else {
      this.#reject(error);
    }
  }
}

export class BatchGetResults extends BatchResults<(Buffer | null)[]> {
  readonly call = 0;
  protected readonly result: (Buffer | null)[] = shortLivedList();

  constructor(size: number, onEnd: (error: Error | undefined) => void) {
    super("batchGet", size, onEnd);
    for (let i = 0; i < size; i++) this.result.push(null);
  }

  protected override get isRead(): boolean {
    return true;
  }

  protected take(index: number, result: unknown): void {
    this.result[index] = result as Buffer | null;
  }
}

export class BatchPutResults extends BatchResults<void> {
  readonly call = 1;
  protected readonly result = undefined;

  constructor(size: number, onEnd: (error: Error | undefined) => void) {
    super("batchPut", size, onEnd);
  }

  protected take(): void {}
}

export class BatchDeleteResults extends BatchResults<number> {
  readonly call = 2;
  protected result = 0;

  constructor(size: number, onEnd: (error: Error | undefined) => void) {
    super("batchDelete", size, onEnd);
  }

  protected take(_index: number, existed: unknown): void {
    if (existed === true) this.result++;
  }
}
