import { below, pick, type Random } from "../../bench/lib/rng.js";
import {
  type CompareAndSwapDetail,
  Kind,
  Request,
  type RequestDetail,
  type TransactionStep,
} from "../../src/backends/request.js";
import type { StateError } from "../../src/core/errors.js";
import type { Pipeline } from "../../src/pipeline/pipeline.js";
import { type Call, failed, givenTo, succeeded } from "./history.js";
import type { SimulatedLoop } from "./simulated-loop.js";

const KINDS = [
  ...Array<Kind>(7).fill(Kind.get),
  ...Array<Kind>(8).fill(Kind.put),
  ...Array<Kind>(3).fill(Kind.delete),
  ...Array<Kind>(2).fill(Kind.contains),
  ...Array<Kind>(3).fill(Kind.setIfNotExists),
  ...Array<Kind>(2).fill(Kind.getAndDelete),
  ...Array<Kind>(4).fill(Kind.compareAndSwap),
  ...Array<Kind>(1).fill(Kind.ttl),
  ...Array<Kind>(2).fill(Kind.expire),
  ...Array<Kind>(2).fill(Kind.transaction),
];
const COUNTER_KINDS = [Kind.increment, Kind.increment, Kind.increment, Kind.get, Kind.delete, Kind.getAndDelete];
const TTL_MS = 1_000_000_000;
/** The longest deadline, in usual ones. */
const PATIENCE = 3;

export interface WorkloadShape {
  /** Keys of registers; there are counters besides. */
  readonly keys: number;
  readonly operationMs: number;
  /** Share of calls with a deadline of their own, and of those with a signal. */
  readonly oddDeadlineShare: number;
  readonly abortedShare: number;
}

/** Makes one client's calls, all that a pipeline takes on given keys, and writes down what comes of them. */
export class Workload {
  readonly #client: number;
  readonly #pipeline: Pipeline;
  readonly #loop: SimulatedLoop;
  readonly #random: Random;
  readonly #shape: WorkloadShape;
  readonly #calls: Call[];
  readonly #lastValues = new Map<string, string>();

  constructor(
    client: number,
    pipeline: Pipeline,
    loop: SimulatedLoop,
    random: Random,
    shape: WorkloadShape,
    calls: Call[],
  ) {
    this.#client = client;
    this.#pipeline = pipeline;
    this.#loop = loop;
    this.#random = random;
    this.#shape = shape;
    this.#calls = calls;
  }

  /** One call; what it does is drawn. */
  call(): void {
    const random = this.#random;
    const isCounter = below(random, 4) === 0;
    const kind = pick(random, isCounter ? COUNTER_KINDS : KINDS);
    const key = isCounter ? `c${below(random, 2)}` : this.#key();
    const value = kind === Kind.put || kind === Kind.setIfNotExists ? this.#value(key) : undefined;
    const expires = below(random, 4) === 0 && kind !== Kind.increment;
    const ttlMs = expires || (kind === Kind.expire && below(random, 2) === 0) ? TTL_MS : 0;
    this.submit(kind, key, value, ttlMs, this.#detail(kind, key));
  }

  submit(kind: Kind, key: string, value: string | undefined, ttlMs: number, detail: RequestDetail): Call {
    const random = this.#random;
    const { operationMs, oddDeadlineShare, abortedShare } = this.#shape;
    const timeoutMs = random() < oddDeadlineShare ? 1 + below(random, PATIENCE * operationMs) : operationMs;
    const request = new Request(kind, key, value, ttlMs, detail, this.#pipeline.nowUs(), timeoutMs);
    const calledMs = this.#loop.nowMs();
    const call: Call = {
      client: this.#client,
      request,
      given: givenTo(request),
      calledMs,
      deadlineMs: calledMs + timeoutMs,
      settledMs: 0,
      answers: 0,
      outcome: "pending",
      result: undefined,
      failure: "",
    };
    this.#calls.push(call);
    request.resolve = (result) => succeeded(call, result, this.#loop.nowMs());
    request.reject = (error) => failed(call, error as StateError, this.#loop.nowMs());
    if (random() < abortedShare) this.#abortLater(request);
    this.#pipeline.submit(request);
    return call;
  }

  #abortLater(request: Request): void {
    const controller = new AbortController();
    request.signal = controller.signal;
    this.#loop.setTimer(this.#random() * this.#shape.operationMs, () => controller.abort());
  }

  #key(): string {
    return `k${below(this.#random, this.#shape.keys)}`;
  }

  /** Never the same twice, so that an old one is not taken for a new one. */
  #value(key: string): string {
    const value = `${this.#client}.${this.#calls.length}`;
    this.#lastValues.set(key, value);
    return value;
  }

  #detail(kind: Kind, key: string): RequestDetail {
    const random = this.#random;
    if (kind === Kind.increment) return BigInt(1 + below(random, 5));
    if (kind === Kind.compareAndSwap) {
      const expected = below(random, 3) === 0 ? null : (this.#lastValues.get(key) ?? null);
      const detail: CompareAndSwapDetail = { expected, next: below(random, 4) === 0 ? null : this.#value(key) };
      return detail;
    }
    if (kind !== Kind.transaction) return undefined;
    const steps: TransactionStep[] = [{ type: "put", key, value: this.#value(key), ttlMs: 0 }];
    const other = this.#key();
    if (other === key) return steps;
    if (below(random, 2) === 0) steps.push({ type: "delete", key: other });
    else steps.push({ type: "put", key: other, value: this.#value(other), ttlMs: TTL_MS });
    return steps;
  }
}
