import type { Batch } from "../backends/batch.js";
import type { Driver } from "../backends/contract.js";
import { hasLostValue } from "../backends/located-error.js";
import { Kind, keysOf, type Request } from "../backends/request.js";
import type { StateError } from "../core/errors.js";
import type { EventLoop, LoopTimer } from "../core/event-loop.js";
import { forgetPlan, join } from "./batch-planner.js";
import type { BatchesInFlight } from "./batches-in-flight.js";
import { type Completion, isRead } from "./completion.js";
import type { PipelineOptions } from "./pipeline-options.js";
import type { RequestQueue } from "./request-queue.js";
import { RetryPolicy } from "./retry-policy.js";

/** What a whole batch shared is first divided into so many each: one that is unwanted then costs few others a second turn. */
const FEW_TOGETHER = 8;

export interface FailedRequestsParts {
  readonly driver: Driver;
  readonly options: PipelineOptions;
  readonly completion: Completion;
  readonly queue: RequestQueue;
  readonly inFlight: BatchesInFlight;
  readonly loop: EventLoop;
  /** Has what is in the queue leave in due time. */
  readonly schedule: () => void;
}

/**
 * What becomes of requests that failed at the store: they are sent again, those that were to be answered from a write
 * which failed are asked of the store, and the callers of all others get the error.
 */
export class FailedRequests {
  readonly #driver: Driver;
  readonly #options: PipelineOptions;
  readonly #completion: Completion;
  readonly #queue: RequestQueue;
  readonly #inFlight: BatchesInFlight;
  readonly #loop: EventLoop;
  readonly #schedule: () => void;
  readonly #retry: RetryPolicy;
  #pause: LoopTimer | undefined;
  /** The store asked for time; nothing may leave. */
  isPausing = false;
  /** Nothing is sent again any more. */
  areFinal = false;

  constructor(parts: FailedRequestsParts) {
    this.#driver = parts.driver;
    this.#options = parts.options;
    this.#completion = parts.completion;
    this.#queue = parts.queue;
    this.#inFlight = parts.inFlight;
    this.#loop = parts.loop;
    this.#schedule = parts.schedule;
    this.#retry = new RetryPolicy(parts.options.retry, () => parts.loop.random(), parts.loop.nowMs());
  }

  /** Ends the wait before the next attempt; none comes. */
  stop(): void {
    this.#loop.clearTimer(this.#pause);
  }

  /** @param error the answer to `leader`, and to all that follow it, in this attempt */
  take(batch: Batch, leader: Request, error: StateError): void {
    if (!hasFailedIn(batch, leader, error)) return;
    if (!this.areFinal && this.#retry.allows(leader, error) && !this.#isOvertaken(batch, leader)) {
      if (this.#sharesLater(batch, leader)) return;
      if (this.#retry.spend(this.#loop.nowMs(), this.#completion.counters.succeeded)) {
        this.#sendAgain(leader, error);
        this.#pauseAfter(leader);
        return;
      }
    }
    this.#failAll(batch, leader, error);
  }

  /**
   * As `take`, of a request that the store refused together with others. It is sent again, and at once, whatever is left
   * of retries: the store is well, and only finds out in this way which of them it does not want.
   */
  takeShared(batch: Batch, leader: Request, error: StateError): void {
    if (!hasFailedIn(batch, leader, error)) return;
    const { mostTogether } = batch;
    if (mostTogether === 1) {
      this.#failAll(batch, leader, error);
    } else if (this.#isOvertaken(batch, leader)) {
      this.#failAll(batch, leader, error);
      this.#queue.haveNextApart();
    } else if (this.#sharesLater(batch, leader)) {
      // Else one read after the other would share the next one's refusal for as long as there is a next one.
      this.#queue.haveNextApart();
    } else {
      this.#sendAgain(leader, error, mostTogether === Number.POSITIVE_INFINITY ? FEW_TOGETHER : 1);
    }
  }

  #failAll(batch: Batch, leader: Request, error: StateError): void {
    const again: Request[] = [];
    const isWithoutEffect = error.outcome === "not-applied" && leader.follower !== undefined && hasLostValue(leader);
    const comeAgain = isWithoutEffect && !this.#isOvertaken(batch, leader);
    let request: Request | undefined = leader;
    while (request !== undefined) {
      const next: Request | undefined = request.follower;
      if (request === leader) {
        this.#completion.fail(request, error, batch);
      } else if (comeAgain) {
        // What was to be written in place of theirs will not be.
        if (!request.settled) again.push(request);
      } else if (isRead(request.kind) && !isRead(leader.kind) && this.#mayReadAgain(batch, leader, error)) {
        again.push(request);
      } else {
        const outcome = isRead(request.kind) ? "not-applied" : error.outcome;
        this.#completion.fail(request, error.concerning({ ...this.#completion.place(request), outcome }), batch);
      }
      request = next;
    }
    if (again.length > 0) this.#returnToQueue(again);
  }

  /**
   * Something called later that a retry would change may have been sent: a write retried now would undo a later one, or
   * come too late for a later read; a read retried now would see a later write.
   */
  #isOvertaken(batch: Batch, leader: Request): boolean {
    if (leader.isOverwritten) return true;
    const readOnly = isRead(leader.kind);
    if (readOnly && batch.writes(leader.key)) return true;
    const keys = keysOf(leader);
    return this.#inFlight.someLater(batch, (later) =>
      keys.some((key) => (readOnly ? later.writes(key) : later.touches(key))),
    );
  }

  /**
   * A read that is asked again while a later one of its key is under way would be answered after it, and could miss
   * what that one saw: a lifetime may end in between, or another program write. So it shares that one's answer.
   */
  #sharesLater(batch: Batch, leader: Request): boolean {
    if (leader.kind !== Kind.get && leader.kind !== Kind.contains) return false;
    const later = this.#inFlight.laterRead(batch, leader.kind, leader.key);
    if (later === undefined) return false;
    let request: Request | undefined = leader;
    while (request !== undefined) {
      const next: Request | undefined = request.follower;
      request.failedAttempts++;
      this.#options.reads?.unanswered(request);
      // One that has its answer must not lead from the old batch into the later one.
      forgetPlan(request);
      request.batchSequence = 0;
      if (!request.settled) join(later, request);
      request = next;
    }
    this.#queue.marks.waitForLater(batch.sequence, later.batchSequence);
    return true;
  }

  #sendAgain(leader: Request, error: StateError, mostTogether?: number): void {
    const requests: Request[] = [];
    let request: Request | undefined = leader;
    while (request !== undefined) {
      const next: Request | undefined = request.follower;
      request.failedAttempts++;
      this.#options.reads?.unanswered(request);
      if (error.outcome === "unknown" && !isRead(request.kind)) request.outcomeUnknown = true;
      if (error.outcome === "unknown" && isOlder(request, leader)) {
        const outcome = isRead(request.kind) ? "not-applied" : "unknown";
        this.#completion.fail(request, error.concerning({ ...this.#completion.place(request), outcome }));
      } else if (!request.settled) {
        requests.push(request);
      }
      if (request.settled) {
        // Those behind it come back without it.
        request.follower = undefined;
        request.lastFollower = undefined;
        request.batchSequence = 0;
      }
      request = next;
    }
    this.#completion.counters.retries += requests.length;
    this.#returnToQueue(requests, mostTogether);
    this.#options.watcher?.retried(leader, error, requests.length);
  }

  #pauseAfter(leader: Request): void {
    // A lost connection takes its own time; a store that answers "not now" is given some.
    const isGated = this.#driver.isWritable !== undefined && !this.#driver.isWritable();
    if (isGated || this.isPausing) return;
    const delayMs = this.#retry.delayMs(leader.failedAttempts);
    this.isPausing = true;
    this.#pause = this.#loop.setTimer(delayMs, this.#endPause, true);
  }

  /**
   * A read that was to be answered from a write which failed can be asked of the store instead, unless another write
   * of the key is on its way, in the same batch or a later one: then it could see what was called after it.
   */
  #mayReadAgain(batch: Batch, failed: Request, error: StateError): boolean {
    if (error.outcome !== "not-applied") return false;
    return !failed.isOverwritten && !this.#inFlight.someLater(batch, (later) => later.writes(failed.key));
  }

  readonly #endPause = (): void => {
    this.isPausing = false;
    this.#schedule();
  };

  #returnToQueue(requests: readonly Request[], mostTogether?: number): void {
    if (mostTogether === undefined) this.#queue.putBack(requests);
    else this.#queue.putBackApart(requests, mostTogether);
    this.#schedule();
  }
}

/** False: it has left this batch already; a lost connection fails everything that was sent over it once more. */
function hasFailedIn(batch: Batch, leader: Request, error: StateError): boolean {
  batch.firstErrorCode ??= error.code;
  return !leader.isReturning && leader.batchSequence === batch.sequence;
}

/**
 * Whether the request is a write that the leader superseded, or a read that was to be answered from one. Where the
 * leader's may have been applied and its call is given up before it is sent again, such a write would put its older
 * value over the leader's, and such a read could see the leader's.
 */
function isOlder(request: Request, leader: Request): boolean {
  return !isRead(leader.kind) && request.order < leader.order;
}
