/** Finds out that a peer which owes answers has sent nothing for so long. */
export class SilenceWatch {
  readonly #silenceMs: number;
  readonly #isOwed: () => boolean;
  readonly #onSilence: (silentMs: number) => void;
  #lastProgressMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param isOwed whether an answer is due
   * @param onSilence told for how many milliseconds none came
   */
  constructor(silenceMs: number, isOwed: () => boolean, onSilence: (silentMs: number) => void) {
    this.#silenceMs = silenceMs;
    this.#isOwed = isOwed;
    this.#onSilence = onSilence;
  }

  /** The first answer is due from now on. The timer is not stopped when none is: it finds that out itself. */
  begin(): void {
    this.#lastProgressMs = performance.now();
    if (this.#timer === undefined) this.#watch(this.#silenceMs);
  }

  /** Something came, at this time of `performance.now()`. */
  progressed(nowMs: number): void {
    this.#lastProgressMs = nowMs;
  }

  /** For good. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #watch(delayMs: number): void {
    this.#timer = setTimeout(() => {
      const leftMs = this.#leftMs();
      if (leftMs > 0) this.#look(leftMs);
      // If this process was busy itself, answers wait in the socket, which is read after the timers of a turn.
      else setImmediate(() => this.#look(this.#leftMs()));
    }, delayMs);
  }

  #look(leftMs: number): void {
    this.#timer = undefined;
    if (!this.#isOwed()) return;
    if (leftMs > 0) this.#watch(Math.ceil(leftMs));
    else this.#onSilence(this.#silenceMs - leftMs);
  }

  #leftMs(): number {
    return this.#silenceMs - (performance.now() - this.#lastProgressMs);
  }
}
