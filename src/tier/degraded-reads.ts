import type { Logger } from "../backends/contract.js";
import { Kind, NO_ANSWER, OPERATION_NAMES, READ_TO_WRITE, type Request } from "../backends/request.js";
import type { StateError } from "../core/errors.js";
import type { EventLoop } from "../core/event-loop.js";
import type { CanonicalKey } from "../core/key.js";
import type { ReadTier } from "./read-tier.js";

/** Lines in the log: one in so much time, which then says how many reads it stands for. */
const LOG_INTERVAL_MS = 10_000;

export interface DegradedReadsOptions {
  /** `miss`: as if the key were absent; `stale`: what the tier had, up to `maxStaleMs` old. */
  readonly reads: "miss" | "stale";
  readonly maxStaleMs: number;
  /** Milliseconds after which a read that had no answer is the store's failure and not its caller's impatience. */
  readonly operationMs: number;
  readonly backend: string;
  readonly logger: Logger;
  /** Whether the store is known to be away: no connection, or a circuit that lets nothing pass, not even a probe. */
  readonly isAway: () => boolean;
}

/** Reads that were answered although the store could not be asked. */
export interface DegradedReadsStatistics {
  /** `degraded.reads`, as the engine was given it. */
  readonly reads: "fail" | "miss" | "stale";
  /** Answered as if the key were absent. */
  readonly answeredAbsent: number;
  /** Answered with what was read before, vouched for by nothing. */
  readonly answeredStale: number;
}

/**
 * What reads are answered with while the store is away, as the caller chose. Only plain reads, and only where the store
 * failed: a refused argument, an abort, a full queue or a damaged value is what it always is, and whatever writes, or
 * reads in order to write, fails honestly.
 */
export class DegradedReads {
  readonly #options: DegradedReadsOptions;
  readonly #tier: ReadTier | undefined;
  readonly #loop: EventLoop;
  #answeredAbsent = 0;
  #answeredStale = 0;
  #unlogged = 0;
  #loggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: DegradedReadsOptions, tier: ReadTier | undefined, loop: EventLoop) {
    this.#options = options;
    this.#tier = tier;
    this.#loop = loop;
  }

  /** What a read that failed is answered with all the same; `NO_ANSWER`: its error. */
  insteadOf(request: Request, error: StateError): unknown {
    const { kind, key, detail } = request;
    if (detail === READ_TO_WRITE) return NO_ANSWER;
    const isRead = kind === Kind.get || kind === Kind.contains || kind === Kind.ttl;
    if (!isRead || !this.#isStoreFailure(request, error)) return NO_ANSWER;
    if (this.#options.reads === "stale") return this.#stale(kind, key, error.code);
    this.#answeredAbsent++;
    this.#log(kind, error.code);
    return kind === Kind.contains ? false : null;
  }

  /** What may be answered without waiting for the store, because it is known to be away; undefined: nothing. */
  atOnce(kind: Kind, key: CanonicalKey): Buffer | boolean | null | undefined {
    if (this.#options.reads !== "stale" || !this.#options.isAway()) return undefined;
    const answer = this.#stale(kind, key, "away");
    return answer === NO_ANSWER ? undefined : (answer as Buffer | boolean | null);
  }

  statistics(): DegradedReadsStatistics {
    return {
      reads: this.#options.reads,
      answeredAbsent: this.#answeredAbsent,
      answeredStale: this.#answeredStale,
    };
  }

  #stale(kind: Kind, key: CanonicalKey, cause: string): unknown {
    if (kind === Kind.ttl) return NO_ANSWER;
    const value = this.#tier?.stale(key, this.#options.maxStaleMs);
    if (value === undefined) return NO_ANSWER;
    this.#answeredStale++;
    this.#log(kind, cause);
    return kind === Kind.contains ? value !== null : value;
  }

  #isStoreFailure(request: Request, error: StateError): boolean {
    switch (error.code) {
      case "CIRCUIT_OPEN":
        return true;
      case "CONNECTION":
        return error.reason !== "ERR_CLOSED";
      case "TIMEOUT":
        return (
          error.reason === "ERR_SILENT_PEER" || request.timeoutMs >= this.#options.operationMs || this.#options.isAway()
        );
      case "BACKEND":
        return error.retryable;
      default:
        return false;
    }
  }

  #log(kind: Kind, cause: string): void {
    this.#unlogged++;
    const nowMs = this.#loop.nowMs();
    if (nowMs - this.#loggedAtMs < LOG_INTERVAL_MS) return;
    this.#loggedAtMs = nowMs;
    const { reads, backend, logger } = this.#options;
    const details = { backend, operation: OPERATION_NAMES[kind], cause, reads: this.#unlogged };
    this.#unlogged = 0;
    logger.warn(
      details,
      reads === "miss"
        ? "the store is away: reads are answered as if their keys were absent"
        : "the store is away: reads are answered with what was read before",
    );
  }
}
