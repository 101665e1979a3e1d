import type { Logger } from "../contract.js";
import { BACKEND } from "./errors.js";
import type { TableMaintenance } from "./table-maintenance.js";

const IDLE_DELAY_MS = 10_000;
/** Between two runs when there is more to do: leaves most of the time to callers. */
const BUSY_DELAY_MS = 100;
const ROWS_PER_RUN = 1000;

/** Removes expired rows in the background, few at a time. Nobody waits for it: statements judge for themselves. */
export class Sweeper {
  readonly #maintenance: TableMaintenance;
  readonly #logger: Logger;
  readonly #idleDelayMs: number;
  #timer: NodeJS.Timeout | undefined;
  #run: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(maintenance: TableMaintenance, logger: Logger, idleDelayMs = IDLE_DELAY_MS) {
    this.#maintenance = maintenance;
    this.#logger = logger;
    this.#idleDelayMs = idleDelayMs;
  }

  start(): void {
    // Engines that open together are not to sweep together.
    this.#runAfter(this.#idleDelayMs * (0.5 + Math.random() / 2));
  }

  /** Returns when no run is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#run;
  }

  #runAfter(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#run = this.#sweep();
    }, delayMs);
    this.#timer.unref();
  }

  async #sweep(): Promise<void> {
    let removed = 0;
    try {
      removed = await this.#maintenance.removeExpired(ROWS_PER_RUN);
    } catch (error) {
      if (!this.#isStopped) {
        const cause = error instanceof Error ? error.message : String(error);
        this.#logger.warn({ backend: BACKEND, cause }, "expired rows could not be removed; another attempt follows");
      }
    }
    this.#runAfter(removed === ROWS_PER_RUN ? BUSY_DELAY_MS : this.#idleDelayMs);
  }
}
