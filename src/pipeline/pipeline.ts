import type { Batch, BatchOwner } from "../backends/batch.js";
import type { Driver } from "../backends/contract.js";
import { keysOf, type Request } from "../backends/request.js";
import { ClosedError, type StateError } from "../core/errors.js";
import { type EventLoop, type LoopTimer, systemLoop } from "../core/event-loop.js";
import { channels } from "../observability/channels.js";
import { publishCompleted, publishSent } from "./batch-events.js";
import { join } from "./batch-planner.js";
import { BatchesInFlight } from "./batches-in-flight.js";
import { CircuitBreaker, type CircuitState } from "./circuit-breaker.js";
import { CodecStage, type CodecStageOptions } from "./codec-stage.js";
import { Completion, isRead } from "./completion.js";
import { GivingUp, type RequestsUnderWay } from "./giving-up.js";
import type { OperationCounters } from "./operation-counters.js";
import type { PipelineOptions } from "./pipeline-options.js";
import type { ReadObserver } from "./read-observer.js";
import { circuitOpen, queueFull } from "./refusals.js";
import { type QueueLimits, RequestQueue } from "./request-queue.js";
import { RetryPolicy } from "./retry-policy.js";
import type { SettlementTimes } from "./settlement-times.js";
import { TurnWatch } from "./turn-watch.js";

export type PipelineCodec = Omit<CodecStageOptions, "execute">;

/** Batches above this may carry some milliseconds of codec work. */
const HEAVY_BATCH_BYTES = 128 * 1024;
const SMALL_BATCH_BYTES = 32 * 1024;
/** Compression of more than this in one go would hold up the event loop. */
const MAX_COMPRESSED_BYTES = 256 * 1024;

/**
 * The front-end queue. Requests wait in one ring in program order; a batch is planned from its head when there is
 * room in flight, and the driver answers batches as if they ran in the order in which they were handed over.
 *
 * When a batch leaves: while nothing is in flight, in the turn of the event loop in which it began, after the calls
 * that the turn's continuations make; as soon as it is full, or large enough to keep a store busy that has little to
 * do; and otherwise once per turn while fewer than `maxInFlight` are in flight. So an operation alone never waits, and
 * under load batches fill by themselves.
 */
export class Pipeline implements BatchOwner {
  readonly #driver: Driver;
  readonly #loop: EventLoop;
  readonly #options: PipelineOptions;
  readonly #maxInFlight: number;
  readonly #eagerBatchSize: number;
  readonly #completion: Completion;
  readonly #reads: ReadObserver | undefined;
  readonly #queue: RequestQueue;
  readonly #inFlight = new BatchesInFlight();
  readonly #codec: PipelineCodec | undefined;
  readonly #stage: CodecStage | undefined;
  readonly #givingUp: GivingUp;
  readonly #retry: RetryPolicy;
  readonly #breaker: CircuitBreaker | undefined;
  /** Set while the store asked for time; nothing leaves. */
  #pause: LoopTimer | undefined;
  #isClosing = false;
  /** Operations called and not settled. */
  #pending = 0;
  #sequence = 0;
  #scheduled = false;
  readonly #turnWatch: TurnWatch;
  #runningAlone = false;
  #idleWaiters: (() => void)[] = [];

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
        : new CodecStage({ ...codec, execute: (batch: Batch) => this.#executePrepared(batch) }, loop);
    this.#options = options;
    const limits = codec?.codec.compresses(options.maxBytes) === true ? limitsOfCompressed(options) : options;
    this.#queue = new RequestQueue(this, limits, (cut) => {
      this.counters.cuts[cut]++;
    });
    const { maxInFlight, gathersBatches } = driver.capabilities;
    this.#maxInFlight = gathersBatches === true ? maxInFlight : Math.min(options.maxInFlight, maxInFlight);
    this.#eagerBatchSize = Math.min(options.maxSize, driver.capabilities.eagerBatchSize ?? options.maxSize);
    this.#completion = new Completion(
      driver.name,
      () => {
        if (--this.#pending === 0 && this.#idleWaiters.length > 0) this.#becomeIdle();
      },
      (request, error) => {
        // A caller's own short deadline says nothing about the store.
        const isImpatient = error.code === "TIMEOUT" && request.timeoutMs < this.#options.operationMs;
        if (!isImpatient) this.#breaker?.failed(request, error);
      },
      loop,
      options.watcher,
      options.reads,
      options.failedReads,
    );
    this.#retry = new RetryPolicy(options.retry, () => loop.random());
    if (options.circuitBreaker !== false) {
      this.#breaker = new CircuitBreaker(options.circuitBreaker, loop, (from, to) => {
        options.watcher?.circuitChanged(from, to);
      });
    }
    const underWay: RequestsUnderWay = {
      forEachQueued: (visit) => this.#queue.forEach(visit),
      dropAnswered: () => this.#queue.dropAnswered(),
      forEachBatch: (visit) => {
        for (const batch of this.#inFlight.now()) visit(batch, !this.#isWaiting(batch));
      },
      sentBatchOf: (request) => this.#sentBatchOf(request),
      abandoned: (batch) => {
        if (this.#isWaiting(batch)) batch.isStale = true;
        else this.#driver.abandon?.(batch);
      },
    };
    this.#givingUp = new GivingUp(this.#completion, underWay, loop);
  }

  get counters(): OperationCounters {
    return this.#completion.counters;
  }

  get times(): SettlementTimes {
    return this.#completion.times;
  }

  /** Admitted operations: queued and in flight. */
  get pending(): number {
    return Math.min(this.#pending, this.#options.maxPending);
  }

  /** Operations beyond `maxPending`, whose callers wait for room. */
  get waiting(): number {
    return this.#pending - this.pending;
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
    const full = this.#pending >= options.maxPending && options.overflow === "reject";
    this.#pending++;
    if (full) {
      this.#completion.fail(request, queueFull(this.#completion.place(request), options.maxPending));
      return;
    }
    if (this.#breaker !== undefined && !this.#breaker.isClosed && !this.#breaker.admits(request)) {
      this.#completion.fail(request, circuitOpen(this.#completion.place(request), this.#breaker.opensInMs));
      return;
    }
    const shared = this.#reads?.called(request);
    if (shared === undefined) this.#queue.push(request);
    else join(shared, request);
    if (request.signal !== undefined) this.#givingUp.watchSignal(request, request.signal);
    if (!this.#givingUp.isArmed || request.timeoutMs !== options.operationMs) this.#givingUp.watchDeadline(request);
    if (!this.#scheduled) this.#schedule();
    else if (this.#queue.size >= this.#eagerBatchSize && this.#worthSending()) this.#dispatch();
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
        work().then(resolve, reject).finally(ended);
      });
    });
  }

  /** Resolves when everything called before has settled. */
  flush(): Promise<void> {
    return new Promise((resolve) => this.#mark(false, resolve));
  }

  /** Resolves when nothing is pending any more; failures are final from now on. */
  drained(): Promise<void> {
    this.#isClosing = true;
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  get circuit(): CircuitState {
    return this.#breaker?.state ?? "closed";
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
    this.#loop.clearTimer(this.#pause);
    this.#queue.forEach((request) => {
      const details = { ...this.#completion.place(request), reason: "ERR_CLOSED" };
      this.#completion.fail(request, new ClosedError("the engine was closed before the operation was sent", details));
    });
    this.#queue.marks.passAll();
  }

  requestSucceeded(batch: Batch, leader: Request, result: unknown): void {
    this.#completion.succeed(batch, leader, result);
  }

  requestFailed(batch: Batch, leader: Request, error: StateError): void {
    batch.hasFailed = true;
    batch.firstErrorCode ??= error.code;
    if (leader.isReturning) return;
    if (this.#isWorthRetrying(batch, leader, error)) {
      this.#tryAgain(leader, error);
      return;
    }
    const again: Request[] = [];
    let request: Request | undefined = leader;
    while (request !== undefined) {
      const next: Request | undefined = request.follower;
      if (request === leader) {
        this.#completion.fail(request, error, batch);
      } else if (isRead(request.kind) && !isRead(leader.kind) && this.#mayReadAgain(batch, leader, error)) {
        again.push(request);
      } else {
        const outcome = isRead(request.kind) ? "not-applied" : error.outcome;
        this.#completion.fail(request, error.concerning({ ...this.#completion.place(request), outcome }), batch);
      }
      request = next;
    }
    if (again.length > 0) this.#putBack(again);
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
      else this.requestFailed(batch, leader, result.concerning(this.#completion.place(leader)));
    };
    void this.#stage.decode(batch, undecoded, settle).then(() => this.#retire(batch));
  }

  #retire(batch: Batch): void {
    if (channels.batchCompleted.hasSubscribers) publishCompleted(this.#driver.name, batch, this.nowUs());
    if (!batch.hasFailed) this.#breaker?.succeeded();
    const oldest = this.#inFlight.remove(batch);
    this.#codec?.batchCodec.observeSettled(batch.size, this.#pending === 0);
    this.#queue.release(batch);
    this.#queue.marks.batchesCompletedBefore(oldest);
    if (this.#queue.size > 0 || this.#queue.marks.waiting) this.#schedule();
  }

  #worthSending(): boolean {
    const inFlight = this.#inFlight.count;
    return inFlight < 2 || (inFlight < this.#maxInFlight && this.#queue.size >= this.#options.maxSize);
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
    if (this.#pause !== undefined || this.#turnWatch.isHeld) return;
    while (!this.#runningAlone && this.#inFlight.count < this.#maxInFlight) {
      if (this.#turnWatch.isUsedUp()) return;
      if (this.#queue.marks.waiting) {
        this.#queue.passMarks(this.#inFlight.count, this.#sequence - 1);
        if (this.#runningAlone) return;
      }
      if (this.#driver.isWritable !== undefined && !this.#driver.isWritable()) return;
      const batch = this.#queue.plan();
      if (batch === undefined) return;
      batch.sequence = this.#sequence++;
      batch.plannedAtUs = this.nowUs();
      batch.sentAtUs = batch.plannedAtUs;
      this.#inFlight.add(batch);
      this.counters.batches++;
      this.counters.batchedOperations += batch.size;
      this.times.meters.batchSizes.record(batch.size);
      if (this.#stage === undefined || !this.#stage.take(batch)) this.#handOver(batch);
      if (this.#inFlight.count === 0 || this.#isHeavy(batch)) this.#turnWatch.begin();
    }
  }

  /** Whether it took long to encode: it was large, or much of it was compressed. */
  #isHeavy(batch: Batch): boolean {
    if (batch.bytes <= SMALL_BATCH_BYTES) return false;
    return batch.bytes > HEAVY_BATCH_BYTES || this.#codec?.codec.compresses(batch.bytes / batch.size) === true;
  }

  #handOver(batch: Batch): void {
    this.#reads?.handedOver(batch);
    if (channels.batchSent.hasSubscribers) publishSent(this.#driver.name, batch);
    this.#driver.execute(batch);
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

  /**
   * Nothing called later that a retry would change may have been sent: a write retried now would undo a later one, or
   * come too late for a later read; a read retried now would see a later write.
   */
  #isWorthRetrying(batch: Batch, leader: Request, error: StateError): boolean {
    if (this.#isClosing || leader.isOverwritten || !this.#retry.allows(leader, error)) return false;
    const readOnly = isRead(leader.kind);
    const keys = keysOf(leader);
    const isOvertaken =
      (readOnly && batch.writes(leader.key)) ||
      this.#inFlight.someLater(batch, (later) =>
        keys.some((key) => (readOnly ? later.writes(key) : later.touches(key))),
      );
    return !isOvertaken && this.#retry.spend(this.#loop.nowMs(), this.counters.succeeded);
  }

  #tryAgain(leader: Request, error: StateError): void {
    const requests: Request[] = [];
    let request: Request | undefined = leader;
    while (request !== undefined) {
      request.failedAttempts++;
      this.#reads?.unanswered(request);
      if (error.outcome === "unknown" && !isRead(request.kind)) request.outcomeUnknown = true;
      if (mightSeeLater(request, leader, error)) {
        this.#completion.fail(
          request,
          error.concerning({ ...this.#completion.place(request), outcome: "not-applied" }),
        );
      } else if (!request.settled) {
        requests.push(request);
      }
      request = request.follower;
    }
    this.counters.retries += requests.length;
    this.#options.watcher?.retried(leader, error, requests.length);
    this.#putBack(requests);
    // A lost connection takes its own time; a store that answers "not now" is given some.
    const isGated = this.#driver.isWritable !== undefined && !this.#driver.isWritable();
    if (isGated || this.#pause !== undefined) return;
    const delayMs = this.#retry.delayMs(leader.failedAttempts);
    this.#pause = this.#loop.setTimer(delayMs, this.#endPause, true);
  }

  readonly #endPause = (): void => {
    this.#pause = undefined;
    this.#schedule();
  };

  /**
   * A read that was to be answered from a write which failed can be asked of the store instead, unless another write
   * of the key is on its way, in the same batch or a later one: then it could see what was called after it.
   */
  #mayReadAgain(batch: Batch, failed: Request, error: StateError): boolean {
    if (error.outcome !== "not-applied") return false;
    return !failed.isOverwritten && !this.#inFlight.someLater(batch, (later) => later.writes(failed.key));
  }

  #putBack(requests: readonly Request[]): void {
    this.#queue.putBack(requests);
    this.#schedule();
  }

  #mark(alone: boolean, run: () => void): void {
    this.#queue.mark(alone, run);
    this.#schedule();
  }

  #sentBatchOf(request: Request): Batch | undefined {
    const batch = this.#inFlight.holding(request);
    if (batch === undefined || !this.#isWaiting(batch)) return batch;
    batch.isStale = true;
    return undefined;
  }

  /** True: the batch is not with the driver yet. */
  #isWaiting(batch: Batch): boolean {
    return this.#stage?.holds(batch) === true;
  }

  #becomeIdle(): void {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const waiter of waiters) waiter();
  }
}

function limitsOfCompressed({ maxSize, maxBytes }: QueueLimits): QueueLimits {
  return { maxSize, maxBytes: Math.min(maxBytes, MAX_COMPRESSED_BYTES) };
}

/**
 * Whether a read that was to be answered from a write which the leader then superseded could, asked of the store, see
 * the leader's write: its own may be given up before it is sent again.
 */
function mightSeeLater(request: Request, leader: Request, error: StateError): boolean {
  return error.outcome === "unknown" && isRead(request.kind) && !isRead(leader.kind) && request.order < leader.order;
}
