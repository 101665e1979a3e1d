import { Kind, type Request } from "../backends/request.js";
import type { StateError } from "../core/errors.js";
import { isRead } from "./completion.js";

export interface RetryOptions {
  /** Attempts after the first. */
  readonly retries: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** Random share of each wait. */
  readonly jitter: number;
}

/** Retries may add so much to the traffic; more only prolongs an overload. Envoy and Finagle use the same fifth. */
const BUDGET_SHARE = 0.2;
/** Retries that are always allowed for, so that little traffic is retried as well. */
const BUDGET_RESERVE = 1000;
const BUDGET_WINDOW_MS = 10_000;

/** Decides which failed requests are sent again, and when. */
export class RetryPolicy {
  readonly #options: RetryOptions;
  readonly #random: () => number;
  #tokens = BUDGET_RESERVE;
  /** Operations that had settled when the window began. */
  #earned = 0;
  #windowBeganMs: number;

  constructor(options: RetryOptions, random: () => number, nowMs: number) {
    this.#options = options;
    this.#random = random;
    this.#windowBeganMs = nowMs;
  }

  /**
   * Whether this failure may be met with another attempt. A write that may have been applied is repeated only where a
   * second application changes nothing: puts and lifetimes that outlast the call, if they end at all; the caller makes
   * sure that nothing newer was sent since.
   */
  allows(leader: Request, error: StateError): boolean {
    if (!error.retryable || leader.failedAttempts >= this.#options.retries) return false;
    return isRead(leader.kind) || error.outcome === "not-applied" || isRepeatable(leader);
  }

  /** Takes one retry from the budget: a fifth of the operations that ten seconds have had of late. */
  spend(nowMs: number, settledOperations: number): boolean {
    const elapsedMs = nowMs - this.#windowBeganMs;
    if (elapsedMs >= BUDGET_WINDOW_MS) {
      // Nothing may have failed for hours: a window's part of what settled since.
      const settled = (settledOperations - this.#earned) * (BUDGET_WINDOW_MS / elapsedMs);
      this.#tokens = Math.max(BUDGET_RESERVE, settled * BUDGET_SHARE);
      this.#windowBeganMs = nowMs;
      this.#earned = settledOperations;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Milliseconds to wait after so many failed attempts: doubling, capped, a random share taken off. */
  delayMs(failedAttempts: number): number {
    const { baseDelayMs, maxDelayMs, jitter } = this.#options;
    const ceiling = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.max(0, failedAttempts - 1));
    return ceiling * (1 - jitter * this.#random());
  }
}

function isRepeatable(leader: Request): boolean {
  if (leader.kind !== Kind.expire && leader.kind !== Kind.put) return false;
  // A lifetime that the first application gave may end before the second: the key would come back, or not be there.
  return leader.ttlMs === 0 || leader.ttlMs > leader.timeoutMs;
}
