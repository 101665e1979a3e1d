import type { Batch, BatchOwner } from "../backends/batch.js";
import type { Driver } from "../backends/contract.js";
import type { Request } from "../backends/request.js";
import { ClosedError, type ErrorDetails, type StateError } from "../core/errors.js";
import { type EventLoop, systemLoop } from "../core/event-loop.js";
import { channels } from "../observability/channels.js";
import { FEW_IN_FLIGHT } from "./answers-in-parts.js";
import { publishCompleted, publishSent } from "./batch-events.js";
import { join } from "./batch-planner.js";
import { isHeavy, limitsOf } from "./batch-weight.js";
import { BatchesInFlight } from "./batches-in-flight.js";
import { CircuitBreaker, type CircuitState } from "./circuit-breaker.js";
import { CodecStage, type CodecStageOptions } from "./codec-stage.js";
import { Completion } from "./completion.js";
import { FailedRequests } from "./failed-requests.js";
import { Gathering } from "./gathering.js";
import { GivingUp } from "./giving-up.js";
import type { OperationCounters } from "./operation-counters.js";
import { bytesOf, PendingWork } from "./pending-work.js";
import type { PipelineOptions } from "./pipeline-options.js";
import type { ReadObserver } from "./read-observer.js";
import { ReadSizes } from "./read-sizes.js";
import { circuitOpen, queueFull } from "./refusals.js";
import { type BatchCut, RequestQueue } from "./request-queue.js";
import { RequestsUnderWay } from "./requests-under-way.js";
import type { SettlementTimes } from "./settlement-times.js";
import { TurnWatch } from "./turn-watch.js";

export type PipelineCodec = Omit<CodecStageOptions, "execute" | "isHeldBack">;

/**
 * The front-end queue. Requests wait in one ring in program order; a batch is planned from its head when there is
 * room in flight, and the driver answers batches as if they ran in the order in which they were handed over.
 *
 * When a batch leaves: while nothing is in flight, in the turn of the event loop in which it began, after the calls
 * that the turn's continuations make; as soon as it is full, or large enough to keep a store busy that has little to
 * do; between two parts of an answer (`AnswersInParts`); and otherwise once per turn while fewer than `maxInFlight` are
 * in flight (`smallBatches`, if it is small and the store would rather have fewer and larger ones). So an operation
 * alone never waits, and under load batches fill by themselves.
 */
export class Pipeline implements BatchOwner {
  readonly #driver: Driver;
  readonly #loop: EventLoop;
  readonly #options: PipelineOptions;
  readonly #maxInFlight: number;
  readonly #eagerBatchSize: number;
  readonly #gathering: Gathering;
  readonly #completion: Completion;
  readonly #reads: ReadObserver | undefined;
  readonly #queue: RequestQueue;
  readonly #inFlight = new BatchesInFlight();
  readonly #readSizes: ReadSizes;
  readonly #codec: PipelineCodec | undefined;
  readonly #stage: CodecStage | undefined;
  readonly #failed: FailedRequests;
  readonly #givingUp: GivingUp;
  readonly #breaker: CircuitBreaker | undefined;
  readonly pendingWork: PendingWork;
  #sequence = 1;
  /** A driver, or who subscribed to what it is told, has the turn: calls made meanwhile leave after it. */
  #isHandingOver = false;
  #scheduled = false;
  readonly #turnWatch: TurnWatch;
  #runningAlone = false;
  #idleWaiters: (() => void)[] = [];
  #lastCut: BatchCut = "turn";

  /**
   * @param codec where values may be compressed and decompressed off this thread
   * @param loop the time and turns it lives by
   */
  constructor(driver: Driver, options: PipelineOptions, codec?: PipelineCodec, loop: EventLoop = systemLoop) {
    this.#driver = driver;
    this.#loop = loop;
    this.#reads = options.reads;
    this.#turnWatch = new TurnWatch(loop, () => this.#dispatch());
    this.#codec = codec;
    this.#stage =
      codec === undefined
        ? undefined
        : new CodecStage(
            {
              ...codec,
              execute: (batch: Batch) => this.#executePrepared(batch),
              isHeldBack: () => this.#givingUp.holdsBack(),
            },
            loop,
          );
    this.#options = options;
    this.pendingWork = new PendingWork(options);
    const { maxSize, maxBytes } = options;
    const limits = { maxSize, maxBytes, batchSize: driver.capabilities.batchSize };
    const onCut = (cut: BatchCut): void => {
      this.counters.cuts[cut]++;
      this.#lastCut = cut;
    };
    const choose = driver.nextBatch?.bind(driver);
    this.#queue = new RequestQueue(this, limitsOf(limits, codec?.codec), onCut, choose);
    const { maxInFlight, gathersBatches } = driver.capabilities;
    this.#maxInFlight = gathersBatches === true ? maxInFlight : Math.min(options.maxInFlight, maxInFlight);
    this.#eagerBatchSize = Math.min(options.maxSize, driver.capabilities.eagerBatchSize ?? options.maxSize);
    const smallBatches = driver.capabilities.smallBatches ?? this.#maxInFlight;
    const { writingBatches } = driver.capabilities;
    const gathering = { smallBatches, writingBatches, maxSize: options.maxSize, onOver: () => this.#dispatch() };
    this.#gathering = new Gathering(gathering, loop);
    this.#completion = new Completion(
      driver.name,
      (request) => {
        if (this.pendingWork.settled(request) && this.#idleWaiters.length > 0) this.#becomeIdle();
      },
      (request, error) => {
        // A caller's own short deadline says nothing about the store, nor does one that passed while work ran alone, or
        // while this process did not come to send anything.
        const isNotItsFault =
          error.code === "TIMEOUT" &&
          (this.#runningAlone || request.timeoutMs < this.#options.operationMs || this.#givingUp.isOwnFault);
        if (!isNotItsFault) this.#breaker?.failed(request, error);
      },
      loop,
      options.watcher,
      options.reads,
      options.failedReads,
      driver.capabilities.eagerBatchSize === undefined || options.lingerMs > 0 ? undefined : () => this.#partGiven(),
    );
    this.#readSizes = new ReadSizes(this.#completion.counters);
    if (options.circuitBreaker !== false) {
      this.#breaker = new CircuitBreaker(options.circuitBreaker, loop, (from, to) => {
        options.watcher?.circuitChanged(from, to);
      });
    }
    this.#failed = new FailedRequests({
      driver,
      options,
      completion: this.#completion,
      queue: this.#queue,
      inFlight: this.#inFlight,
      loop,
      schedule: () => this.#schedule(),
    });
    this.#givingUp = new GivingUp(
      this.#completion,
      new RequestsUnderWay(driver, this.#queue, this.#inFlight, this.#stage),
      () => driver.outage?.(),
      // What waited for them need not wait for the store, and what was held back meanwhile can leave.
      () => {
        this.#stage?.advance();
        if (this.#queue.marks.waiting || this.#queue.size > 0) this.#schedule();
      },
      loop,
    );
  }

  get counters(): OperationCounters {
    return this.#completion.counters;
  }

  get times(): SettlementTimes {
    return this.#completion.times;
  }

  get inFlightBatches(): number {
    return this.#inFlight.count;
  }

  /** Wrapping microseconds: only differences below half an hour mean anything. */
  nowUs(): number {
    return this.#completion.nowUs();
  }

  /** Takes a request that already has its resolve and reject, or its collector. */
  submit(request: Request): void {
    const options = this.#options;
    const { pendingWork } = this;
    // Those of a call on many keys are taken whole or refused whole, before they come here.
    const mayBeRefused = options.overflow === "reject" && request.collector === undefined;
    const refusal =
      mayBeRefused && !pendingWork.hasRoomFor(1, bytesOf(request))
        ? queueFull(this.#completion.place(request), pendingWork.operations, pendingWork.bytes)
        : undefined;
    pendingWork.add(request);
    if (refusal !== undefined) {
      this.#completion.fail(request, refusal);
      return;
    }
    if (this.#breaker !== undefined && !this.#breaker.isClosed && !this.#breaker.admits(request)) {
      this.#completion.fail(request, this.circuitOpen(this.#completion.place(request)));
      return;
    }
    const shared = this.#reads?.called(request);
    if (shared === undefined) this.#queue.push(request);
    else join(shared, request);
    if (request.signal !== undefined) this.#givingUp.watchSignal(request, request.signal);
    if (!this.#givingUp.watches(request.timeoutMs)) this.#givingUp.watchDeadline(request);
    if (!this.#scheduled) this.#schedule();
    else if (this.#queue.size >= this.#eagerBatchSize && this.#isWorthSending()) this.#dispatch();
  }

  /**
   * Runs `work` when everything called before has settled, and lets nothing called later leave before it has ended.
   * For work on many keys, such as clear.
   */
  runAlone<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#mark(true, () => {
        this.#runningAlone = true;
        const ended = (): void => {
          this.#runningAlone = false;
          this.#schedule();
        };
        // A driver of somebody else may throw rather than reject.
        (async () => await work())().then(resolve, reject).finally(ended);
      });
    });
  }

  /** Resolves when everything called before has settled. */
  flush(): Promise<void> {
    return new Promise((resolve) => this.#mark(false, resolve));
  }

  /** Resolves when nothing is pending any more; failures are final from now on. */
  drained(): Promise<void> {
    this.#failed.areFinal = true;
    if (this.pendingWork.operations === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  get circuit(): CircuitState {
    return this.#breaker?.state ?? "closed";
  }

  /** What is refused because of the circuit is refused with. */
  circuitOpen(place: ErrorDetails): StateError {
    return circuitOpen(place, this.#breaker?.opensInMs ?? 0, this.#breaker?.openedBy);
  }

  /** The driver can take batches again. */
  resume(): void {
    this.#schedule();
  }

  /** The driver is connected again. */
  reconnected(): void {
    this.#breaker?.connected();
    this.#schedule();
  }

  /** Fails what has not been handed to the driver; what is in flight is the driver's to settle. */
  failQueued(): void {
    this.#givingUp.stop();
    this.#failed.stop();
    this.#gathering.stop();
    this.#queue.forEach((request) => {
      const details = { ...this.#completion.place(request), reason: "ERR_CLOSED" };
      this.#completion.fail(request, new ClosedError("the engine was closed before the operation was sent", details));
    });
    this.#queue.marks.passAll();
  }

  requestSucceeded(batch: Batch, leader: Request, result: unknown): void {
    this.#completion.succeed(batch, leader, result);
  }

  requestFailed(batch: Batch, leader: Request, error: StateError, withOthers: boolean): void {
    if (withOthers) this.#failed.takeShared(batch, leader, error);
    else this.#failed.take(batch, leader, error);
  }

  defersDecoding(batch: Batch, rawBytes: number): boolean {
    return this.#stage?.defersDecoding(batch, rawBytes) === true;
  }

  batchCompleted(batch: Batch): void {
    const { undecoded } = batch;
    if (undecoded === undefined || this.#stage === undefined) {
      this.#retire(batch);
      return;
    }
    batch.undecoded = undefined;
    const settle = (leader: Request, result: Buffer | StateError): void => {
      if (Buffer.isBuffer(result)) this.#completion.succeed(batch, leader, result);
      else this.#failed.take(batch, leader, result.concerning(this.#completion.place(leader)));
    };
    void this.#stage.decode(batch, undecoded, settle).then(() => this.#retire(batch));
  }

  #retire(batch: Batch): void {
    if (channels.batchCompleted.hasSubscribers) publishCompleted(this.#driver.name, batch, this.nowUs());
    if (batch.hasSucceeded) this.#breaker?.succeeded();
    const oldest = this.#inFlight.remove(batch);
    this.#codec?.batchCodec.observeSettled(batch.size, this.pendingWork.operations === 0);
    this.#queue.release(batch);
    this.#queue.marks.batchesCompletedBefore(oldest);
    if (this.#queue.size > 0 || this.#queue.marks.waiting) this.#schedule();
  }

  #isWorthSending(): boolean {
    const inFlight = this.#inFlight.count;
    const { size } = this.#queue;
    return inFlight < 2 || (inFlight < this.#maxInFlight && size >= this.#options.maxSize);
  }

  #partGiven(): void {
    if (this.#queue.size > 0 && this.#inFlight.count < FEW_IN_FLIGHT) this.#dispatch();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#options.lingerMs > 0) this.#loop.setTimer(this.#options.lingerMs, this.#turn, true);
    else if (this.#inFlight.count === 0) this.#loop.inThisTurn(this.#turn);
    else this.#loop.inNextTurn(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    this.#dispatch();
  };

  #dispatch(): void {
    if (this.#isHandingOver || this.#failed.isPausing || this.#turnWatch.isHeld) return;
    if (this.#givingUp.holdsBack()) return;
    while (!this.#runningAlone && this.#inFlight.count < this.#maxInFlight) {
      if (this.#turnWatch.isUsedUp()) return;
      if (this.#queue.marks.waiting) {
        this.#queue.passMarks(this.#inFlight.count, this.#sequence - 1);
        if (this.#runningAlone) return;
      }
      // Some drivers take the next question for a need.
      if (this.#queue.size === 0) return;
      if (this.#gathering.waits(this.#inFlight.count, this.#queue.size, this.#lastCut)) return;
      if (this.#driver.isWritable !== undefined && !this.#driver.isWritable()) return;
      const withoutWrites = this.#gathering.holdsWrites(this.#inFlight, this.#queue.size, this);
      const batch = this.#queue.plan(this.#sequence, withoutWrites, this.#readSizes.meanBytes);
      if (batch === undefined) return;
      this.#sequence++;
      const { parts } = this.#completion;
      if (parts !== undefined && this.#inFlight.count < FEW_IN_FLIGHT) parts.choose(batch, this.pendingWork.operations);
      batch.plannedAtUs = this.nowUs();
      batch.sentAtUs = batch.plannedAtUs;
      this.#inFlight.add(batch);
      this.counters.batches++;
      this.counters.batchedOperations += batch.size;
      this.times.meters.batchSizes.record(batch.size);
      if (this.#stage === undefined || !this.#stage.take(batch)) this.#handOver(batch);
      if (this.#inFlight.count === 0 || isHeavy(batch, this.#codec?.codec)) this.#turnWatch.begin();
    }
  }

  #handOver(batch: Batch): void {
    this.#isHandingOver = true;
    try {
      this.#reads?.handedOver(batch);
      if (channels.batchSent.hasSubscribers) publishSent(this.#driver.name, batch);
      this.#driver.execute(batch);
    } finally {
      this.#isHandingOver = false;
    }
  }

  /** Hands over a batch that waited for its values to be compressed. */
  #executePrepared(batch: Batch): void {
    if (!batch.isStale) {
      batch.sentAtUs = this.nowUs();
      this.#handOver(batch);
      return;
    }
    const remains = this.#queue.planAgain(batch);
    this.#inFlight.replace(batch, remains);
    remains.plannedAtUs = batch.plannedAtUs;
    remains.sentAtUs = this.nowUs();
    if (remains.size > 0) this.#handOver(remains);
    else this.batchCompleted(remains);
  }

  #mark(alone: boolean, run: () => void): void {
    this.#queue.mark(alone, () => {
      // Whoever waits for what was called before must not hear of its end before their callers do.
      this.#completion.parts?.giveAll();
      run();
    });
    this.#schedule();
  }

  #becomeIdle(): void {
    this.#completion.parts?.giveAll();
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const waiter of waiters) waiter();
  }
}
