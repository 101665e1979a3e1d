import type { Request } from "../backends/request.js";
import type { StateError } from "../core/errors.js";
import type { EventLoop } from "../core/event-loop.js";

export type CircuitState = "closed" | "open" | "half-open";

export interface CircuitOptions {
  /** Failures in a row that open the circuit. */
  readonly failures: number;
  /** Milliseconds until an open circuit lets a probe through. */
  readonly resetMs: number;
}

/**
 * Refuses operations at once while the store keeps failing. Only the store's failures count, never those of callers,
 * and all that fail together, with one lost connection say, count as one.
 *
 *   closed     everything passes; so many failures in a row open it
 *   open       nothing passes; half-open after `resetMs`
 *   half-open  one operation passes as a probe: its success closes the circuit, its failure opens it again
 *
 * A driver that is connected again has had its probe answered in the handshake: that closes the circuit in any state.
 */
export class CircuitBreaker {
  readonly #options: CircuitOptions;
  readonly #loop: EventLoop;
  readonly #onChange: (from: CircuitState, to: CircuitState) => void;
  #state: CircuitState = "closed";
  #failures = 0;
  #openedAtMs = 0;
  #openedBy: StateError | undefined;
  #probe: Request | undefined;
  #countedThisTurn = false;

  constructor(
    options: CircuitOptions,
    loop: EventLoop,
    onChange: (from: CircuitState, to: CircuitState) => void = () => {},
  ) {
    this.#options = options;
    this.#loop = loop;
    this.#onChange = onChange;
  }

  get state(): CircuitState {
    if (this.#state === "open" && this.#loop.nowMs() - this.#openedAtMs >= this.#options.resetMs) {
      this.#become("half-open");
    }
    return this.#state;
  }

  /** Cheaper than `state`, for every operation. */
  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Milliseconds until a probe may pass. */
  get opensInMs(): number {
    return Math.max(0, Math.ceil(this.#options.resetMs - (this.#loop.nowMs() - this.#openedAtMs)));
  }

  /** The failure that opened it last. */
  get openedBy(): StateError | undefined {
    return this.#openedBy;
  }

  /** Whether this operation may pass while the circuit is not closed: as the probe. */
  admits(request: Request): boolean {
    if (this.state !== "half-open" || (this.#probe !== undefined && !this.#probe.settled)) return false;
    this.#probe = request;
    return true;
  }

  /**
   * Something in a batch came back well: the store serves, even if it refuses to write at the moment, say. An answer
   * to something sent before the circuit opened proves nothing.
   */
  succeeded(): void {
    this.#failures = 0;
    if (this.#state === "half-open" && this.#probe?.settled === true) this.connected();
  }

  failed(request: Request, error: StateError): void {
    if (!isStoreFailure(error)) {
      // A refusal of the operation is an answer, too.
      if (error.code === "BACKEND" && !error.retryable) this.#failures = 0;
      if (request === this.#probe) this.#probe = undefined;
      return;
    }
    if (this.#state === "half-open") {
      if (request === this.#probe) this.#open(error);
      return;
    }
    if (this.#countedThisTurn) return;
    this.#countedThisTurn = true;
    this.#loop.asPromisesDo(() => {
      this.#countedThisTurn = false;
    });
    this.#failures++;
    if (this.#state === "closed" && this.#failures >= this.#options.failures) this.#open(error);
  }

  /** The driver is connected to a store that answers. */
  connected(): void {
    this.#failures = 0;
    this.#become("closed");
  }

  #open(error: StateError): void {
    this.#openedBy = error;
    this.#openedAtMs = this.#loop.nowMs();
    this.#become("open");
  }

  #become(state: CircuitState): void {
    const from = this.#state;
    this.#state = state;
    this.#probe = undefined;
    if (from !== state) this.#onChange(from, state);
  }
}

/** No answer, or one that says the store cannot serve anybody. */
function isStoreFailure(error: StateError): boolean {
  // One that will not have us says so at once by itself, and better: with the reason.
  if (error.code === "CONNECTION") return error.retryable;
  if (error.code === "TIMEOUT") return true;
  return error.code === "BACKEND" && error.retryable;
}
