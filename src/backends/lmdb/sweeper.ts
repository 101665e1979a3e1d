import type { Clock } from "../../core/clock.js";
import { StateError } from "../../core/errors.js";
import type { Logger } from "../contract.js";
import type { CommitQueue } from "./commit-queue.js";
import type { LmdbStore } from "./lmdb-store.js";

const IDLE_DELAY_MS = 1000;
/** Between two runs when there is more to do: leaves most of the time to callers' commits. */
const BUSY_DELAY_MS = 10;
const ENTRIES_PER_RUN = 512;

/** Frees the space of expired records in the background, in small transactions. Nobody waits for it: reads judge for themselves. */
export class Sweeper {
  readonly #store: LmdbStore;
  readonly #queue: CommitQueue;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined = undefined;
  #run: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Of the last run, as far as it has been logged. */
  #failure: string | undefined = undefined;

  constructor(store: LmdbStore, queue: CommitQueue, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#queue = queue;
    this.#clock = clock;
    this.#logger = logger;
    this.#runAfter(IDLE_DELAY_MS);
  }

  /** Returns when no run is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#run;
  }

  #runAfter(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#run = this.#sweep();
    }, delayMs);
    this.#timer.unref();
  }

  async #sweep(): Promise<void> {
    let seen = 0;
    let most = ENTRIES_PER_RUN;
    try {
      this.#store.nowMs = this.#clock.wallMs();
      if (this.#store.hasDue()) {
        await this.#queue.runExclusive((mostRemovals) => {
          this.#store.nowMs = this.#clock.wallMs();
          most = Math.min(ENTRIES_PER_RUN, mostRemovals);
          seen = this.#store.sweep(most);
        });
        this.#failure = undefined;
      }
    } catch (error) {
      this.#warn(error);
    }
    this.#runAfter(seen === most ? BUSY_DELAY_MS : IDLE_DELAY_MS);
  }

  /** A disk that stays full would otherwise fill the log, once a second. */
  #warn(error: unknown): void {
    const failure = error instanceof StateError ? (error.reason ?? error.code) : String(error);
    if (this.#stopped || failure === this.#failure) return;
    this.#failure = failure;
    this.#logger.warn({ error }, "expired records could not be removed; attempts go on");
  }
}
