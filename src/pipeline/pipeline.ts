import type { Batch, BatchOwner } from "../backends/batch.js";
import type { Driver } from "../backends/contract.js";
import { Kind, type Request, type TransactionStep } from "../backends/request.js";
import { FramedValue } from "../codec/value-codec.js";
import { ClosedError, QueueFullError, type StateError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { Ring } from "../core/ring.js";
import { BatchPlanner, forgetPlan } from "./batch-planner.js";
import { CodecStage, type CodecStageOptions } from "./codec-stage.js";
import { Completion, isRead } from "./completion.js";
import { GivingUp } from "./giving-up.js";
import { HeldKeys } from "./held-keys.js";
import { KeyTable } from "./key-table.js";
import type { OperationCounters } from "./operation-counters.js";
import { OrderMarks } from "./order-marks.js";
import type { PipelineOptions } from "./pipeline-options.js";

export type PipelineCodec = Omit<CodecStageOptions, "execute">;

/** Batches above this may carry some milliseconds of codec work. */
const HEAVY_BATCH_BYTES = 128 * 1024;
/** So many of them leave in one turn of the event loop; then everything else in the process has its turn. */
const MAX_HEAVY_BATCHES_PER_TURN = 2;

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
  readonly #options: PipelineOptions;
  readonly #maxInFlight: number;
  readonly #eagerBatchSize: number;
  readonly #completion: Completion;
  readonly #ring = new Ring<Request>(4096);
  readonly #inFlight: Batch[] = [];
  readonly #held = new HeldKeys();
  readonly #marks = new OrderMarks();
  readonly #keys: KeyTable;
  readonly #codec: PipelineCodec | undefined;
  readonly #stage: CodecStage | undefined;
  readonly #givingUp: GivingUp;
  /** Requests that have left the ring for good: the position of order marks. */
  #taken = 0;
  /** Operations called and not settled. */
  #pending = 0;
  #sequence = 0;
  #scheduled = false;
  #runningAlone = false;
  #idleWaiters: (() => void)[] = [];

  /** @param codec where values may be compressed and decompressed off this thread */
  constructor(driver: Driver, options: PipelineOptions, codec?: PipelineCodec) {
    this.#driver = driver;
    this.#codec = codec;
    this.#stage =
      codec === undefined
        ? undefined
        : new CodecStage({ ...codec, execute: (batch: Batch) => this.#executePrepared(batch) });
    this.#options = options;
    this.#keys = new KeyTable(options.maxSize);
    this.#maxInFlight = Math.min(options.maxInFlight, driver.capabilities.maxInFlight);
    this.#eagerBatchSize = Math.min(options.maxSize, driver.capabilities.eagerBatchSize ?? options.maxSize);
    this.#completion = new Completion(driver.name, () => {
      if (--this.#pending === 0 && this.#idleWaiters.length > 0) this.#becomeIdle();
    });
    this.#givingUp = new GivingUp(this.#completion, {
      forEachQueued: (visit) => this.#forEachQueued(visit),
      forEachBatch: (visit) => {
        for (const batch of [...this.#inFlight]) visit(batch, !this.#isWaiting(batch));
      },
      sentBatchOf: (request) => this.#sentBatchOf(request),
      abandoned: (batch) => {
        if (this.#isWaiting(batch)) batch.isStale = true;
        else this.#driver.abandon?.(batch);
      },
    });
  }

  get counters(): OperationCounters {
    return this.#completion.counters;
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
    return this.#inFlight.length;
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
      this.#completion.fail(request, this.#queueFull(request));
      return;
    }
    this.#ring.push(request);
    if (request.signal !== undefined) this.#givingUp.watchSignal(request, request.signal);
    if (!this.#givingUp.isArmed || request.timeoutMs !== options.operationMs) this.#givingUp.watchDeadline(request);
    if (!this.#scheduled) this.#schedule();
    else if (this.#ring.size >= this.#eagerBatchSize && this.#worthSending()) this.#dispatch();
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

  /** Resolves when nothing is pending any more. */
  drained(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** The driver can take batches again. */
  resume(): void {
    this.#schedule();
  }

  /** Fails what has not been handed to the driver; what is in flight is the driver's to settle. */
  failQueued(): void {
    this.#givingUp.stop();
    this.#forEachQueued((request) => {
      const details = { ...this.#completion.place(request), reason: "ERR_CLOSED" };
      this.#completion.fail(request, new ClosedError("the engine was closed before the operation was sent", details));
    });
    this.#marks.passAll();
  }

  requestSucceeded(batch: Batch, leader: Request, result: unknown): void {
    this.#completion.succeed(batch, leader, result);
  }

  requestFailed(batch: Batch, leader: Request, error: StateError): void {
    const again: Request[] = [];
    let request: Request | undefined = leader;
    while (request !== undefined) {
      const next: Request | undefined = request.follower;
      if (request === leader) {
        this.#completion.fail(request, error);
      } else if (isRead(request.kind) && !isRead(leader.kind) && this.#mayReadAgain(batch, leader, error)) {
        forgetPlan(request);
        again.push(request);
      } else {
        const outcome = isRead(request.kind) ? "not-applied" : error.outcome;
        this.#completion.fail(request, error.concerning({ ...this.#completion.place(request), outcome }));
      }
      request = next;
    }
    if (again.length > 0) {
      this.#marks.waitAgain(this.#taken);
      this.#putBack(again);
    }
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
    batch.resultsAtUs = 0;
    const settle = (leader: Request, result: Buffer | StateError): void => {
      if (Buffer.isBuffer(result)) this.#completion.succeed(batch, leader, result);
      else this.requestFailed(batch, leader, result.concerning(this.#completion.place(leader)));
    };
    void this.#stage.decode(undecoded, settle).then(() => this.#retire(batch));
  }

  #retire(batch: Batch): void {
    this.#codec?.batchCodec.observeSettled(batch.size);
    const index = this.#inFlight.indexOf(batch);
    if (index >= 0) this.#inFlight.splice(index, 1);
    if (!this.#held.isEmpty) this.#release(batch);
    this.#marks.batchesCompletedBefore(this.#oldestSequence());
    if (this.#ring.size > 0 || this.#marks.waiting) this.#schedule();
  }

  #worthSending(): boolean {
    const inFlight = this.#inFlight.length;
    return inFlight < 2 || (inFlight < this.#maxInFlight && this.#ring.size >= this.#options.maxSize);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#options.lingerMs > 0) setTimeout(this.#turn, this.#options.lingerMs);
    else if (this.#inFlight.length === 0) process.nextTick(this.#turn);
    else setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    this.#dispatch();
  };

  #dispatch(): void {
    let heavy = 0;
    while (!this.#runningAlone && this.#inFlight.length < this.#maxInFlight) {
      if (this.#marks.waiting && this.#held.isEmpty) {
        this.#marks.pass(this.#taken, this.#inFlight.length, this.#sequence - 1);
        if (this.#runningAlone) return;
      }
      if (this.#driver.isWritable !== undefined && !this.#driver.isWritable()) return;
      const batch = this.#plan();
      if (batch === undefined) return;
      batch.sequence = this.#sequence++;
      batch.sentAtUs = this.nowUs();
      this.#inFlight.push(batch);
      this.counters.batches++;
      this.counters.batchedOperations += batch.size;
      if (this.#stage === undefined || !this.#stage.take(batch)) this.#driver.execute(batch);
      // What was compressed just now took its time of this thread; others have a right to the next.
      if (batch.bytes > HEAVY_BATCH_BYTES && ++heavy >= MAX_HEAVY_BATCHES_PER_TURN) {
        this.#schedule();
        return;
      }
    }
  }

  /** Hands over a batch that waited for its values to be compressed. */
  #executePrepared(batch: Batch): void {
    const current = batch.isStale ? this.#planAgain(batch) : batch;
    if (current === undefined) return;
    current.sentAtUs = this.nowUs();
    this.#driver.execute(current);
  }

  /** The batch without the requests that were given up meanwhile; undefined: none is left. */
  #planAgain(stale: Batch): Batch | undefined {
    const requests: Request[] = [];
    stale.forEachRequest((request) => {
      if (!request.settled) requests.push(request);
      else if (request.kind === Kind.compareAndSwap) this.#letGo(request.key);
    });
    requests.sort((a, b) => a.order - b.order);
    const planner = new BatchPlanner(this, this.#keys);
    for (const request of requests) {
      forgetPlan(request);
      if (request.value instanceof FramedValue) request.value = request.value.original;
      planner.offer(request);
    }
    this.#keys.clear();
    const batch = planner.batch;
    batch.sequence = stale.sequence;
    batch.size = requests.length;
    batch.bytes = stale.bytes;
    this.#inFlight[this.#inFlight.indexOf(stale)] = batch;
    if (requests.length > 0) return batch;
    this.batchCompleted(batch);
    return undefined;
  }

  #plan(): Batch | undefined {
    const { maxSize, maxBytes } = this.#options;
    const ring = this.#ring;
    if (ring.size === 0) return undefined;
    const planner = new BatchPlanner(this, this.#keys);
    const batch = planner.batch;
    let cut: "size" | "bytes" | "hazard" | "turn" = "turn";
    while (ring.size > 0) {
      if (this.#marks.waiting && this.#marks.blocks(this.#taken)) break;
      const request = ring.peek()!;
      // A transaction parked on one key would be overtaken on its others, so everything waits behind it.
      if (request.kind === Kind.transaction && this.#held.touches(request.detail as readonly TransactionStep[])) break;
      if (request.settled || (!this.#held.isEmpty && this.#held.park(request))) {
        ring.shift();
        this.#taken++;
        continue;
      }
      const bytes = request.keyUnits + request.valueUnits;
      if (batch.size > 0 && batch.bytes + bytes > maxBytes) {
        cut = "bytes";
        break;
      }
      if (!planner.offer(request)) {
        cut = "hazard";
        break;
      }
      ring.shift();
      request.order = this.#taken++;
      batch.size++;
      batch.bytes += bytes;
      if (request.kind === Kind.compareAndSwap) this.#held.hold(request.key);
      if (batch.size >= maxSize) {
        cut = "size";
        break;
      }
    }
    this.#keys.clear();
    if (batch.size === 0) return undefined;
    this.counters.cuts[cut]++;
    return batch;
  }

  /** Lets go the keys that this batch held; what waited for them goes before everything in the ring. */
  #release(batch: Batch): void {
    for (const request of batch.others) {
      if (request.kind === Kind.compareAndSwap) this.#letGo(request.key);
    }
  }

  #letGo(key: CanonicalKey): void {
    const waiting = this.#held.release(key);
    if (waiting.length > 0) this.#putBack(waiting);
  }

  #putBack(requests: readonly Request[]): void {
    this.#ring.unshiftAll(requests);
    this.#taken -= requests.length;
    this.#schedule();
  }

  /**
   * A read that was to be answered from a write which failed can be asked of the store instead, unless another write
   * of the key is on its way, in the same batch or a later one: then it could see what was called after it.
   */
  #mayReadAgain(batch: Batch, failed: Request, error: StateError): boolean {
    if (error.outcome !== "not-applied") return false;
    for (const other of this.#inFlight) {
      if (other.sequence < batch.sequence) continue;
      let written = false;
      other.forEachLeader((leader) => {
        written ||= leader !== failed && leader.key === failed.key && !isRead(leader.kind);
        written ||= leader.kind === Kind.transaction && other !== batch;
      });
      if (written) return false;
    }
    return true;
  }

  #mark(alone: boolean, run: () => void): void {
    this.#marks.add(this.#taken + this.#ring.size, alone, run);
    this.#schedule();
  }

  #oldestSequence(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const batch of this.#inFlight) oldest = Math.min(oldest, batch.sequence);
    return oldest;
  }

  #sentBatchOf(request: Request): Batch | undefined {
    const batch = this.#inFlight.find((candidate) => {
      let found = false;
      candidate.forEachRequest((other) => {
        found ||= other === request;
      });
      return found;
    });
    if (batch === undefined || !this.#isWaiting(batch)) return batch;
    batch.isStale = true;
    return undefined;
  }

  /** True: the batch is not with the driver yet. */
  #isWaiting(batch: Batch): boolean {
    return this.#stage?.holds(batch) === true;
  }

  #forEachQueued(visit: (request: Request) => void): void {
    this.#ring.forEach(visit);
    this.#held.forEachWaiting(visit);
  }

  #queueFull(request: Request): QueueFullError {
    return new QueueFullError(`${this.#options.maxPending} operations are pending already (queue.maxPending)`, {
      ...this.#completion.place(request),
      reason: "ERR_QUEUE_FULL",
      retryable: true,
    });
  }

  #becomeIdle(): void {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const waiter of waiters) waiter();
  }
}
