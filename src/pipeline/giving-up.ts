import type { Batch } from "../backends/batch.js";
import type { Request } from "../backends/request.js";
import { AbortedError, type Outcome, type StateError, TimeoutError } from "../core/errors.js";
import type { EventLoop } from "../core/event-loop.js";
import { type Completion, isRead } from "./completion.js";
import { DeadlineTimer } from "./deadline-timer.js";
import { keepGivenBytes, letGoOfBytes } from "./given-bytes.js";
import type { RequestsUnderWay } from "./requests-under-way.js";
import { WatchedSignals } from "./watched-signals.js";

/** Timers are a millisecond or two late by themselves. */
const LATE_MS = 2;
/** Answers that have come meanwhile are read over several turns; when none was for so long, all have been. */
const QUIET_MS = 10;
/** Answers are read for as long as the timer was late, and no longer than so. */
const LONGEST_READING_MS = 100;
/** Times of requests wrap, so that what is older than this cannot be told from what is younger. */
const LONGEST_DEADLINE_MS = 1_800_000;

/** Answers requests whose deadline has passed or whose caller aborted them: `unknown` only for writes that were sent. */
export class GivingUp {
  readonly #completion: Completion;
  readonly #underWay: RequestsUnderWay;
  readonly #outage: () => StateError | undefined;
  readonly #onGivenUp: () => void;
  readonly #loop: EventLoop;
  readonly #timer: DeadlineTimer;
  /** For when the timer was armed that has fired, and what it is about has not been looked at; infinite: it has been. */
  #dueMs = Number.POSITIVE_INFINITY;
  /** When it fired; later deadlines of what was sent are for the next time. */
  #judgedMs = 0;
  /** Until when answers are read, at the latest. */
  #readUntilMs = 0;
  /** Of what was sent, how much was overdue in the last turn while answers are being read, and since when no less. */
  #overdue = 0;
  #quietSinceMs = 0;
  /** Above 0: callers are being told, and what they do may lead back here. */
  #busy = 0;
  #isReading = false;
  #isStopped = false;
  readonly #signals = new WatchedSignals((requests, signal) => this.#abortAll(requests, signal));

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
    this.#signals.watch(request, signal);
  }

  /**
   * Whether nothing may leave now. What was called before something kept the event loop may have had its deadline
   * meanwhile, and a turn sends before it comes to its timers. And whoever is told of a failure may call the engine, in
   * the middle of giving up the others.
   */
  holdsBack(): boolean {
    if (this.#isStopped) return false;
    if (this.#busy > 0) return true;
    const nowMs = this.#loop.nowMs();
    if (this.#dueMs !== Number.POSITIVE_INFINITY) return nowMs - this.#dueMs > LATE_MS;
    if (nowMs - this.#timer.dueMs <= LATE_MS) return false;
    // The timer is no reason for the process to stay, and it may have nothing else to do but what is held back here.
    this.#timer.fire();
    return true;
  }

  /** Whether what is being given up could not leave because this process was busy. */
  get isOwnFault(): boolean {
    return this.#busy > 0 && this.#judgedMs - this.#dueMs > LATE_MS;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.stop();
  }

  /** Timers come before sockets: if this process was busy itself, answers are there and have not been read. */
  readonly #due = (dueMs: number): void => {
    if (dueMs < this.#dueMs) this.#dueMs = dueMs;
    this.#judgedMs = this.#loop.nowMs();
    this.#loop.inNextTurn(this.#afterSockets);
  };

  readonly #afterSockets = (): void => {
    // Infinite: it was looked at on behalf of an earlier turn.
    if (this.#isStopped || this.#dueMs === Number.POSITIVE_INFINITY) return;
    const lateMs = this.#judgedMs - this.#dueMs;
    const isAncient = lateMs > LONGEST_DEADLINE_MS;
    try {
      this.#overdue = this.#expire(lateMs <= LATE_MS || isAncient, isAncient);
    } finally {
      this.#dueMs = Number.POSITIVE_INFINITY;
    }
    if (this.#overdue > 0 && !this.#isReading) {
      this.#quietSinceMs = this.#loop.nowMs();
      this.#readUntilMs = this.#quietSinceMs + Math.min(lateMs, LONGEST_READING_MS);
      this.#readOn();
    }
    this.#onGivenUp();
  };

  #readOn(): void {
    this.#isReading = true;
    this.#loop.inNextTurn(this.#asAnswersCome);
  }

  /** One turn reads a few megabytes of answers at most, and decompresses for a few milliseconds. */
  readonly #asAnswersCome = (): void => {
    this.#isReading = false;
    if (this.#isStopped || this.#overdue === 0) return;
    const nowMs = this.#loop.nowMs();
    const isOver = nowMs - this.#quietSinceMs > QUIET_MS || nowMs > this.#readUntilMs;
    const overdue = this.#expire(isOver);
    if (overdue < this.#overdue) this.#quietSinceMs = nowMs;
    this.#overdue = overdue;
    if (overdue > 0) this.#readOn();
    else this.#onGivenUp();
  };

  #abortAll(requests: readonly Request[], signal: AbortSignal): void {
    const concerned = new Set<Batch>();
    let queued = 0;
    this.#busy++;
    try {
      for (const request of requests) {
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
    } finally {
      this.#busy--;
    }
    this.#onGivenUp();
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
   * Gives up what has not left by its deadline, and arms the timer for the next.
   * @param withSent whether also what was sent, and had its deadline when the timer fired
   * @param isAncient so long after its time that requests do not know their age any more: all that is there goes
   * @returns how much of what was sent is overdue and was not given up
   */
  #expire(withSent: boolean, isAncient = false): number {
    const nowMs = this.#loop.nowMs();
    const nowUs = this.#completion.nowUs();
    const sinceJudgedMs = nowMs - this.#judgedMs;
    let nextMs = Number.POSITIVE_INFINITY;
    let overdue = 0;
    const leftOf = (request: Request): number =>
      isAncient ? 0 : request.timeoutMs - ((nowUs - request.startedAtUs) | 0) / 1000;
    const giveUpIfDue = (request: Request, wasSent: boolean, batch?: Batch): boolean => {
      if (request.settled) return false;
      const leftMs = leftOf(request);
      if (leftMs > (wasSent ? -sinceJudgedMs : 0)) {
        nextMs = Math.min(nextMs, leftMs);
        return false;
      }
      if (wasSent && !withSent) {
        overdue++;
        return false;
      }
      this.#completion.fail(request, this.#timeoutError(request, wasSent), batch);
      return true;
    };
    this.#busy++;
    try {
      let queued = 0;
      this.#underWay.forEachQueued((request) => {
        if (!giveUpIfDue(request, false)) return;
        letGoOfBytes(request);
        queued++;
      });
      // No batch takes them out while the store is away, and calls go on.
      this.#underWay.dropAnswered(queued);
      this.#underWay.forEachBatch((batch, wasSent) => {
        let abandoned = false;
        batch.forEachRequest((request) => {
          // One that failed there may be in the queue again, or in a later batch.
          if (request.batchSequence === batch.sequence) abandoned = giveUpIfDue(request, wasSent, batch) || abandoned;
        });
        if (abandoned) this.#abandon(batch);
      });
    } finally {
      this.#busy--;
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#timer.arm(nextMs);
    return overdue;
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
