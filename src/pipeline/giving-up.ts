import type { Batch } from "../backends/batch.js";
import type { Request } from "../backends/request.js";
import { AbortedError, type Outcome, type StateError, TimeoutError } from "../core/errors.js";
import type { EventLoop } from "../core/event-loop.js";
import { type Completion, isRead } from "./completion.js";
import { DeadlineTimer } from "./deadline-timer.js";
import { keepGivenBytes, letGoOfBytes } from "./given-bytes.js";
import type { RequestsUnderWay } from "./requests-under-way.js";

/** Between looks at all that is queued, before each of many batches that a late turn sends. */
const LOOK_INTERVAL_MS = 1;

interface WatchedRequest {
  readonly request: Request;
  /** In the list of its signal. */
  index: number;
}

interface WatchedSignal {
  /** In no order: the last one takes the place of one that leaves. For why it is no Set see `core/keyed-table.ts`. */
  readonly requests: WatchedRequest[];
  readonly forget: () => void;
}

/** Answers requests whose deadline has passed or whose caller aborted them: `unknown` only for writes that were sent. */
export class GivingUp {
  readonly #completion: Completion;
  readonly #underWay: RequestsUnderWay;
  readonly #outage: () => StateError | undefined;
  readonly #onGivenUp: () => void;
  readonly #loop: EventLoop;
  readonly #timer: DeadlineTimer;
  /** When deadlines were last looked at before the timer could fire. */
  #lookedAheadMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;
  /**
   * One listener a signal: with one a request, each would be compared with all that are there. Weak, because its table
   * does not lead to the next one as that of a Map does (`core/keyed-table.ts`).
   */
  readonly #signals = new WeakMap<AbortSignal, WatchedSignal>();

  /**
   * @param outage as `Driver.outage`
   * @param onGivenUp called after some were answered
   */
  constructor(
    completion: Completion,
    underWay: RequestsUnderWay,
    outage: () => StateError | undefined,
    onGivenUp: () => void,
    loop: EventLoop,
  ) {
    this.#outage = outage;
    this.#onGivenUp = onGivenUp;
    this.#completion = completion;
    this.#underWay = underWay;
    this.#loop = loop;
    this.#timer = new DeadlineTimer(loop, this.#due);
  }

  /** Whether a deadline that is so far away is found anyway, when one that is no later is looked at. */
  watches(timeoutMs: number): boolean {
    return this.#timer.covers(timeoutMs);
  }

  watchDeadline(request: Request): void {
    this.#timer.arm(request.timeoutMs);
  }

  watchSignal(request: Request, signal: AbortSignal): void {
    const watched = this.#signals.get(signal) ?? this.#watch(signal);
    const { requests } = watched;
    const entry: WatchedRequest = { request, index: requests.length };
    requests.push(entry);
    request.unwatchSignal = () => {
      const last = requests.pop()!;
      if (last !== entry) {
        requests[entry.index] = last;
        last.index = entry.index;
      }
      if (requests.length === 0) watched.forget();
    };
  }

  /**
   * To be called before anything is sent: what was called before something kept the event loop may have had its
   * deadline meanwhile, and timers come only after what this turn sends.
   */
  lookAhead(): void {
    const nowMs = this.#loop.nowMs();
    if (nowMs < this.#timer.dueMs || nowMs - this.#lookedAheadMs < LOOK_INTERVAL_MS) return;
    this.#lookedAheadMs = nowMs;
    this.#expire(false);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.stop();
  }

  /**
   * Timers come before sockets: if this process was busy itself, answers to what was sent are there and have not been
   * read. So that is looked at behind the sockets of this turn.
   */
  readonly #due = (): void => {
    this.#expire(false);
    this.#onGivenUp();
    this.#loop.inNextTurn(this.#afterSockets);
  };

  readonly #afterSockets = (): void => {
    if (this.#isStopped) return;
    const nextMs = this.#expire(true);
    this.#onGivenUp();
    if (nextMs !== Number.POSITIVE_INFINITY) this.#timer.arm(nextMs);
  };

  #watch(signal: AbortSignal): WatchedSignal {
    const requests: WatchedRequest[] = [];
    const onAbort = (): void => {
      this.#signals.delete(signal);
      const concerned = new Set<Batch>();
      let queued = 0;
      // Each that is answered leaves the list.
      for (const { request } of [...requests]) {
        const batch = this.#underWay.sentBatchOf(request);
        this.#abort(request, batch, signal);
        if (batch !== undefined) {
          concerned.add(batch);
        } else {
          letGoOfBytes(request);
          queued++;
        }
      }
      this.#underWay.dropAnswered(queued);
      for (const batch of concerned) this.#abandon(batch);
      this.#onGivenUp();
    };
    const forget = (): void => {
      this.#signals.delete(signal);
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const watched = { requests, forget };
    this.#signals.set(signal, watched);
    return watched;
  }

  #abort(request: Request, batch: Batch | undefined, signal: AbortSignal): void {
    const details = {
      ...this.#completion.place(request),
      outcome: outcomeOf(request, batch !== undefined),
      reason: "ERR_ABORTED",
      cause: signal.reason,
    };
    this.#completion.fail(request, new AbortedError("the caller's signal aborted it", details), batch);
  }

  /** Callers of requests in this batch have their answers and their bytes back. */
  #abandon(batch: Batch): void {
    keepGivenBytes(batch);
    this.#underWay.abandoned(batch);
  }

  /**
   * @param withSent whether deadlines of what was sent count too
   * @returns milliseconds to the next deadline of all; infinite: there is none
   */
  #expire(withSent: boolean): number {
    const nowUs = this.#completion.nowUs();
    let nextMs = Number.POSITIVE_INFINITY;
    const check = (request: Request, wasSent: boolean, batch?: Batch): boolean => {
      if (request.settled) return false;
      const leftMs = request.timeoutMs - ((nowUs - request.startedAtUs) | 0) / 1000;
      if (leftMs > 0) {
        nextMs = Math.min(nextMs, leftMs);
        return false;
      }
      this.#completion.fail(request, this.#timeoutError(request, wasSent), batch);
      return true;
    };
    let queued = 0;
    this.#underWay.forEachQueued((request) => {
      if (!check(request, false)) return;
      letGoOfBytes(request);
      queued++;
    });
    // No batch takes them out while the store is away, and calls go on.
    this.#underWay.dropAnswered(queued);
    this.#underWay.forEachBatch((batch, wasSent) => {
      if (wasSent && !withSent) return;
      let abandoned = false;
      batch.forEachRequest((request) => {
        // One that failed there may be in the queue again, or in a later batch.
        if (request.batchSequence === batch.sequence) abandoned = check(request, wasSent, batch) || abandoned;
      });
      if (abandoned) this.#abandon(batch);
    });
    return nextMs;
  }

  #timeoutError(request: Request, wasSent: boolean): TimeoutError {
    const cause = wasSent ? undefined : this.#outage();
    const whyNot = cause === undefined ? "it was not sent" : "it was not sent, the store is away";
    const where = wasSent ? "it was sent, no answer came" : whyNot;
    return new TimeoutError(`no result within ${request.timeoutMs} ms: ${where}`, {
      ...this.#completion.place(request),
      outcome: outcomeOf(request, wasSent),
      reason: "ERR_TIMEOUT",
      retryable: true,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

function outcomeOf(request: Request, wasSent: boolean): Outcome {
  return wasSent && !isRead(request.kind) ? "unknown" : "not-applied";
}
