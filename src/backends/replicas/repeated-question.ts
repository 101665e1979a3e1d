/** Asks again and again: the next question comes a while after the answer to the one before, however late that is. */
export class RepeatedQuestion {
  readonly #ask: () => Promise<void>;
  readonly #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** @param ask must not fail */
  constructor(ask: () => Promise<void>, pauseMs: number) {
    this.#ask = ask;
    this.#pauseMs = pauseMs;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#asking = this.#ask();
      void this.#asking.then(() => this.start());
    }, this.#pauseMs);
    this.#timer.unref();
  }

  /** Returns when nothing is asked any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#asking;
  }
}
