import { setTimeout as delay } from "node:timers/promises";
import type { Ledger } from "../../src/testing/index.js";
import { below, pick, type Random } from "../lib/rng.js";

export interface LoadOptions {
  readonly callers: number;
  /** Calls that a caller makes without awaiting them, at most. */
  readonly burst: number;
  readonly registers: number;
  readonly counters: number;
}

/** Callers who failed wait so long, so that fast refusals do not fill the run with calls that met nothing. */
const PAUSE_AFTER_FAILURE_MS = 10;
/** What a put takes of this becomes its value's tail: some values are long, and compress. */
const PADDING = "All the world's a stage, and all the men and women merely players. ".repeat(64);

/** Many callers at work on few keys, so that operations on a key overlap, until told to stop. */
export class Load {
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #options: LoadOptions;
  readonly #prefix: string;
  /** The value put last, by key: what a compare-and-swap may expect. */
  readonly #last = new Map<string, string>();
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
    const { counters, registers } = this.#options;
    const dice = this.#random();
    if (dice < 0.2) {
      // Upwards only: too much is then a duplicate and too little a loss.
      const by = pick(this.#random, [1, 1, 1, 2, 5]);
      return this.#ledger.increment(`${this.#prefix}n${below(this.#random, counters)}`, by);
    }
    const key = `${this.#prefix}k${below(this.#random, registers)}`;
    if (dice < 0.48) return this.#ledger.get(key);
    if (dice < 0.52) return this.#ledger.contains(key);
    if (dice < 0.56) return this.#ledger.delete(key);
    if (dice < 0.62) return this.#ledger.getAndDelete(key);
    const value = this.#fresh(key);
    if (dice < 0.7) return this.#ledger.setIfNotExists(key, value);
    const before = this.#last.get(key) ?? null;
    this.#last.set(key, value);
    if (dice < 0.8) return this.#ledger.compareAndSwap(key, before, value);
    return this.#ledger.put(key, value);
  }

  #fresh(key: string): string {
    const dice = this.#random();
    const length = dice < 0.9 ? below(this.#random, 100) : dice < 0.99 ? 1500 : PADDING.length;
    return `${key} ${++this.#values} ${PADDING.slice(0, length)}`;
  }
}
