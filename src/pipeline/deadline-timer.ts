const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * One timer for all deadlines, armed for the earliest that is known. It is not stopped when the operation settles
 * (that would cost more than the operation): it fires, finds what is left, and is armed again for that.
 */
export class DeadlineTimer {
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  get armed(): boolean {
    return this.#timer !== undefined;
  }

  arm(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (dueMs >= this.#dueMs) return;
    this.stop();
    this.#dueMs = dueMs;
    // Never the reason for a process to stay alive: what is pending has a connection or a reconnect timer that is.
    this.#timer = setTimeout(this.#fire, Math.min(Math.max(1, Math.ceil(delayMs)), MAX_DELAY_MS)).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  readonly #fire = (): void => {
    this.stop();
    this.#onDue();
  };
}
