import { setTimeout as delay } from "node:timers/promises";
import type { Mutation } from "../../src/index.js";
import type { Ledger } from "../../src/testing/index.js";
import { below, pick, type Random } from "../lib/rng.js";

export interface LoadOptions {
  readonly callers: number;
  /** Calls that a caller makes without awaiting them, at most. */
  readonly burst: number;
  /** Keys of values without lifetimes, of counters, of values with lifetimes, and of what transactions write. */
  readonly registers: number;
  /** Keys that are read often and written seldom, so that a replica mostly has what was written. */
  readonly seldom: number;
  readonly counters: number;
  readonly passing: number;
  readonly transacted: number;
  /** Prefixes, of a few keys each, that are filled and cleared. */
  readonly shelves: number;
}

/** Callers who failed wait so long, so that fast refusals do not fill the run with calls that met nothing. */
const PAUSE_AFTER_FAILURE_MS = 10;
/** What a put takes of this becomes its value's tail: some values are long, and compress. */
const PADDING = "All the world's a stage, and all the men and women merely players. ".repeat(64);
const KEYS_PER_SHELF = 4;

/** Many callers at work on few keys, so that operations on a key overlap, until told to stop. */
export class Load {
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #options: LoadOptions;
  readonly #prefix: string;
  /** The value put last, by key: what a compare-and-swap may expect. */
  readonly #last = new Map<string, string>();
  /** Of a thousand calls, how many are of which kind. */
  readonly #mix: readonly (readonly [share: number, call: () => Promise<unknown>])[] = [
    [190, () => this.#increment()],
    [220, () => this.#ledger.get(this.#register())],
    [40, () => this.#ledger.contains(this.#register())],
    [40, () => this.#ledger.delete(this.#register())],
    [50, () => this.#ledger.getAndDelete(this.#register())],
    [70, () => this.#setIfNotExists()],
    [90, () => this.#compareAndSwap()],
    [150, () => this.#put(this.#register())],
    [1, () => this.#putSeldom()],
    [60, () => this.#ledger.get(this.#seldom())],
    [10, () => this.#ledger.batchGet(this.#some(() => this.#register()))],
    [12, () => this.#batchPut()],
    [10, () => this.#ledger.batchDelete(this.#some(() => this.#register()))],
    [25, () => this.#transaction()],
    [25, () => this.#ledger.get(this.#transacted())],
    [20, () => this.#putForAWhile()],
    [8, () => this.#expire()],
    [15, () => this.#ledger.ttl(this.#passing())],
    [10, () => this.#ledger.get(this.#passing())],
    [14, () => this.#fillShelf()],
    [0.1, () => this.#ledger.clear(this.#shelf())],
  ];
  readonly #sum = this.#mix.reduce((sum, [share]) => sum + share, 0);
  #values = 0;
  #stopped = false;
  readonly #callers: Promise<void>[];

  constructor(ledger: Ledger, prefix: string, random: Random, options: LoadOptions) {
    this.#ledger = ledger;
    this.#prefix = prefix;
    this.#random = random;
    this.#options = options;
    this.#callers = Array.from({ length: options.callers }, () => this.#call());
  }

  /** Resolves when every call has settled. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#callers);
  }

  async #call(): Promise<void> {
    while (!this.#stopped) {
      const count = 1 + below(this.#random, this.#options.burst);
      const calls: Promise<boolean>[] = [];
      // The ledger keeps the outcome of each.
      for (let i = 0; i < count; i++) {
        calls.push(
          this.#operation().then(
            () => true,
            () => false,
          ),
        );
      }
      const succeeded = await Promise.all(calls);
      if (succeeded.includes(false)) await delay(PAUSE_AFTER_FAILURE_MS * (0.5 + this.#random()));
    }
  }

  #operation(): Promise<unknown> {
    let dice = this.#random() * this.#sum;
    for (const [share, call] of this.#mix) {
      dice -= share;
      if (dice < 0) return call();
    }
    return this.#put(this.#register());
  }

  #increment(): Promise<unknown> {
    // Upwards only: too much is then a duplicate and too little a loss.
    const by = pick(this.#random, [1, 1, 1, 2, 5]);
    return this.#ledger.increment(this.#key("n", this.#options.counters), by);
  }

  #put(key: string): Promise<unknown> {
    return this.#ledger.put(key, this.#latest(key));
  }

  #putSeldom(): Promise<unknown> {
    const key = this.#seldom();
    if (this.#random() < 0.3) return this.#put(key);
    return this.#ledger.put(key, this.#latest(key), { ttlMs: 200 + below(this.#random, 1500) });
  }

  #setIfNotExists(): Promise<unknown> {
    if (this.#random() < 0.1) {
      const key = this.#passing();
      return this.#ledger.setIfNotExists(key, this.#fresh(key), { ttlMs: this.#lifetimeMs() });
    }
    const key = this.#register();
    return this.#ledger.setIfNotExists(key, this.#fresh(key));
  }

  #compareAndSwap(): Promise<unknown> {
    const isPassing = this.#random() < 0.1;
    const key = isPassing ? this.#passing() : this.#register();
    const before = this.#last.get(key) ?? null;
    return this.#ledger.compareAndSwap(
      key,
      before,
      this.#latest(key),
      isPassing ? { ttlMs: this.#lifetimeMs() } : undefined,
    );
  }

  #batchPut(): Promise<unknown> {
    const isPassing = this.#random() < 0.2;
    const keys = this.#some(() => (isPassing ? this.#passing() : this.#register()));
    return this.#ledger.batchPut(
      keys.map((key) => [key, this.#latest(key)] as const),
      isPassing ? { ttlMs: this.#lifetimeMs() } : undefined,
    );
  }

  #transaction(): Promise<unknown> {
    const steps = this.#some(() => this.#transacted()).map((key): Mutation => {
      const dice = this.#random();
      if (dice < 0.15) return { type: "delete", key };
      if (dice < 0.25) return { type: "expire", key, ttlMs: this.#lifetimeMs() };
      if (dice < 0.35) return { type: "put", key, value: this.#fresh(key), ttlMs: this.#lifetimeMs() };
      return { type: "put", key, value: this.#fresh(key) };
    });
    return this.#ledger.transaction(steps);
  }

  #putForAWhile(): Promise<unknown> {
    const key = this.#passing();
    return this.#ledger.put(key, this.#latest(key), { ttlMs: this.#lifetimeMs() });
  }

  #expire(): Promise<unknown> {
    return this.#ledger.expire(this.#passing(), this.#random() < 0.2 ? null : this.#lifetimeMs());
  }

  #fillShelf(): Promise<unknown> {
    const shelf = this.#shelf();
    const key = `${shelf}${below(this.#random, KEYS_PER_SHELF)}`;
    return this.#random() < 0.3 ? this.#ledger.get(key) : this.#ledger.put(key, this.#fresh(key));
  }

  #register(): string {
    return this.#key("k", this.#options.registers);
  }

  #seldom(): string {
    return this.#key("q", this.#options.seldom);
  }

  #passing(): string {
    return this.#key("t", this.#options.passing);
  }

  #transacted(): string {
    return this.#key("x", this.#options.transacted);
  }

  #shelf(): string {
    return `${this.#key("s", this.#options.shelves)}:`;
  }

  #key(kind: string, count: number): string {
    return `${this.#prefix}${kind}${below(this.#random, count)}`;
  }

  #some(key: () => string): string[] {
    return Array.from({ length: 2 + below(this.#random, 4) }, key);
  }

  /** Some end while the run looks on, others long after it. */
  #lifetimeMs(): number {
    return this.#random() < 0.6 ? 1 + below(this.#random, 400) : 60_000 + below(this.#random, 600_000);
  }

  #latest(key: string): string {
    const value = this.#fresh(key);
    this.#last.set(key, value);
    return value;
  }

  #fresh(key: string): string {
    const dice = this.#random();
    const length = dice < 0.9 ? below(this.#random, 100) : dice < 0.99 ? 1500 : PADDING.length;
    return `${key} ${++this.#values} ${PADDING.slice(0, length)}`;
  }
}
