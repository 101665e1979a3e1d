import type { Batch } from "../backends/batch.js";
import { lostValue } from "../backends/located-error.js";
import { Kind, NO_ANSWER, OPERATION_NAMES, type Request } from "../backends/request.js";
import type { ErrorDetails, StateError } from "../core/errors.js";
import type { EventLoop } from "../core/event-loop.js";
import { copyOfValue, hasLostMemory, type Value } from "../core/value.js";
import { copyOfBytes } from "../core/value-memory.js";
import { AnswersInParts } from "./answers-in-parts.js";
import { OperationCounters } from "./operation-counters.js";
import type { PipelineWatcher } from "./pipeline-watcher.js";
import type { FailedReads, ReadObserver } from "./read-observer.js";
import { SettlementTimes } from "./settlement-times.js";

export function isRead(kind: Kind): boolean {
  return kind === Kind.get || kind === Kind.contains || kind === Kind.ttl;
}

/** Gives callers their answers, exactly once each, and counts. */
export class Completion {
  readonly counters = new OperationCounters();
  readonly times: SettlementTimes;
  /** Present where the store works beside this thread. */
  readonly parts: AnswersInParts | undefined;
  readonly #backend: string;
  readonly #loop: EventLoop;
  readonly #watcher: PipelineWatcher | undefined;
  readonly #reads: ReadObserver | undefined;
  readonly #failedReads: FailedReads | undefined;
  readonly #onSettled: (request: Request) => void;
  readonly #onFailed: (request: Request, error: StateError) => void;

  /**
   * @param onSettled called after each operation that settles
   * @param onFailed called before each that fails
   * @param onPart called between the parts in which a batch's callers have their answers; absent: all have them in one go
   */
  constructor(
    backend: string,
    onSettled: (request: Request) => void,
    onFailed: (request: Request, error: StateError) => void,
    loop: EventLoop,
    watcher?: PipelineWatcher,
    reads?: ReadObserver,
    failedReads?: FailedReads,
    onPart?: () => void,
  ) {
    this.#backend = backend;
    this.#loop = loop;
    this.#watcher = watcher;
    this.#reads = reads;
    this.#failedReads = failedReads;
    if (onPart !== undefined) this.parts = new AnswersInParts(loop, this.#give, onPart);
    this.times = new SettlementTimes(loop, watcher);
    this.#onSettled = onSettled;
    this.#onFailed = onFailed;
  }

  nowUs(): number {
    return (this.#loop.nowMs() * 1000) | 0;
  }

  /** What an error about this request says of it. */
  place(request: Request): ErrorDetails & { operation: string; backend: string } {
    const operation = OPERATION_NAMES[request.kind];
    return request.kind === Kind.transaction
      ? { operation, backend: this.#backend }
      : { operation, key: request.key, backend: this.#backend };
  }

  /** The leader's result for it and for all that follow it. */
  succeed(batch: Batch, leader: Request, result: unknown): void {
    this.#reads?.answered(leader, result);
    batch.hasSucceeded = true;
    if (leader.follower === undefined && leader.answer === NO_ANSWER) this.settle(leader, result, batch);
    else this.#succeedAll(leader, result, batch);
  }

  settle(request: Request, result: unknown, batch: Batch): void {
    if (request.settled) return;
    request.settled = true;
    const counters = this.counters;
    counters.succeededByKind[request.kind]!++;
    if (request.kind === Kind.get) {
      if (result === null) {
        counters.misses++;
      } else {
        counters.hits++;
        counters.bytesRead += (result as Buffer).length;
      }
    } else if (result !== false) {
      counters.bytesWritten += request.valueUnits;
    }
    if (request.signal !== undefined) stopListening(request);
    if (request.collector === undefined && (batch.isAnsweredInParts || this.parts?.isHolding === true)) {
      this.parts!.hold(request, result, batch);
    } else {
      this.#give(request, result, batch);
    }
    this.#onSettled(request);
  }

  readonly #give = (request: Request, result: unknown, batch: Batch): void => {
    this.times.note(request, batch);
    if (request.collector === undefined) request.resolve!(result);
    else request.collector.settle(request.collectorIndex, result);
  };

  /** @param batch in which it was sent last, if it was */
  fail(request: Request, cause: StateError, batch?: Batch): void {
    if (request.settled) return;
    if (this.parts?.isHolding === true) this.parts.giveAll();
    this.#reads?.unanswered(request);
    // A later attempt that certainly changed nothing says nothing about an earlier one.
    const error = request.outcomeUnknown ? cause.concerning({ ...this.place(request), outcome: "unknown" }) : cause;
    this.#onFailed(request, error);
    request.settled = true;
    const instead = this.#failedReads === undefined ? NO_ANSWER : this.#failedReads.insteadOf(request, error);
    if (instead !== NO_ANSWER) {
      this.#settleInstead(request, instead as Buffer | boolean | null);
      return;
    }
    const { counters } = this;
    counters.failedWith(request.kind, 1, error.code);
    const elapsedUs = (this.nowUs() - request.startedAtUs) | 0;
    if (request.collector === undefined) this.times.recordAlone(request.kind, elapsedUs);
    this.#watcher?.failed(request, error, elapsedUs, batch);
    if (request.signal !== undefined) stopListening(request);
    if (request.collector !== undefined) request.collector.fail(request.collectorIndex, error);
    else request.reject!(error);
    this.#onSettled(request);
  }

  #settleInstead(request: Request, answer: Buffer | boolean | null): void {
    this.counters.answeredHere(request.kind, answer);
    if (request.collector === undefined) {
      this.times.recordAlone(request.kind, (this.nowUs() - request.startedAtUs) | 0);
    }
    if (request.signal !== undefined) stopListening(request);
    if (request.collector !== undefined) request.collector.settle(request.collectorIndex, answer);
    else request.resolve!(answer);
    this.#onSettled(request);
  }

  #succeedAll(leader: Request, result: unknown, batch: Batch): void {
    let request: Request | undefined = leader;
    let given = false;
    while (request !== undefined) {
      const next: Request | undefined = request.follower;
      if (request !== leader) {
        this.counters.coalesced++;
        this.#reads?.unanswered(request);
      }
      if (!request.settled && hasLostAnswer(request)) {
        this.fail(request, lostValue().concerning(this.place(request)), batch);
      } else if (!request.settled) {
        let answer = request.answer;
        if (answer === NO_ANSWER) {
          if (request.kind === Kind.contains && leader.kind === Kind.get) {
            answer = result !== null;
          } else if (Buffer.isBuffer(result)) {
            answer = given ? copyOfBytes(result) : result;
            given = true;
          } else {
            answer = result;
          }
        } else if (request.kind === Kind.get && answer !== null) {
          answer = copyOfValue(answer as Value);
        }
        this.settle(request, answer, batch);
      }
      request = next;
    }
  }
}

/** A get is to be answered from a put whose caller has given the memory of its value away. */
function hasLostAnswer({ kind, answer }: Request): boolean {
  return kind === Kind.get && answer instanceof Uint8Array && hasLostMemory(answer);
}

function stopListening(request: Request): void {
  request.unwatchSignal?.();
  request.unwatchSignal = undefined;
}
