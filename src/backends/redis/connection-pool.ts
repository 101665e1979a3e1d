import { ConnectionError, StateError } from "../../core/errors.js";
import { connectionFailure } from "./connection-failure.js";
import type { ConnectionPoolOptions } from "./connection-pool-options.js";
import { hostPortOf, Lane } from "./lane.js";
import { reconnectDelayMs } from "./reconnect-delay.js";
import { Relocation } from "./relocation.js";
import type { ConnectionIdentity } from "./wire/handshake.js";
import type { TlsMaterial } from "./wire/open-socket.js";

/**
 * Between two looks at the connections. One over which nothing was sent since the last is asked whether it is still
 * there, so once in twice the time: one that died in silence is found out within a second and its time for an answer.
 */
const HEALTH_CHECK_MS = 500;
/** However short `idleMs` is. */
const SHORTEST_LOOK_MS = 20;

/**
 * The connections for data. A key goes over the lane that its hash names, so whatever is asked of it keeps its order
 * without a thought; the price is that the lanes may only change while nothing is due on any. Then those that are lost
 * or not needed any more leave and new ones join. While a change is wanted `isWritable` is false, so that what is due
 * comes to an end.
 *
 * As many are needed as batches were under way at once. One is opened when there are more batches than lanes, and one
 * that was not needed for `idleMs` is closed; with changes being followed it is kept, because with it the server would
 * forget what was read over it.
 *
 * A server that refuses writes as a replica was demoted, perhaps: the address is looked up again, and if it leads to
 * another server by now, all lanes go there together.
 *
 * A connection that was lost may have bytes at the server that are carried out later. Before its keys go over another,
 * the server is asked to end it.
 */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  #lanes: Lane[] = [];
  /** Open, and not among the lanes yet. */
  #joining: Lane[] = [];
  #isChanging = false;
  #checkScheduled = false;
  readonly #relocation = new Relocation();
  /** Somebody has something to send and there is no connection. */
  #isAwaited = false;
  /** The last connection was lost, not closed. */
  #isRecovering = false;
  /** A lane was lost, and no change has led to open lanes since. */
  #hasLost = false;
  readonly #unfenced = new Set<ConnectionIdentity>();
  #opening: Lane | undefined;
  #isConnecting = false;
  #attemptTimer: NodeJS.Timeout | undefined;
  #monitor: NodeJS.Timeout | undefined;
  /** Why the server would not have us when it was asked last. */
  #refusal: StateError | undefined;
  /** Why the last connection was lost or the last attempt failed; undefined since one has come to something. */
  #lastFailure: StateError | undefined;
  #batchesUnderWay = 0;
  /** Most batches under way at once since the last look. */
  #peak = 0;
  /** When so many connections as the index and one were needed last. */
  readonly #neededAtMs: number[] = [];
  #isClosed = false;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  /** By position; some of them may be lost. Empty: there is no connection. */
  get lanes(): readonly Lane[] {
    return this.#lanes;
  }

  /** Why the server will not have us, while waiting does not help. */
  get refusal(): StateError | undefined {
    return this.#refusal;
  }

  /** As `Driver.outage`. */
  get outage(): StateError | undefined {
    return this.isAsleep || this.#openLanes().length > 0 ? undefined : this.#lastFailure;
  }

  /** Whether there is none because none was needed. */
  get isAsleep(): boolean {
    return this.#lanes.length === 0 && this.#target() === 0;
  }

  /** False: batches should wait. A question without any connection is taken for a need of one. */
  get isWritable(): boolean {
    if (this.#isChanging) return false;
    const lanes = this.#lanes;
    if (lanes.length === 0) {
      this.#isAwaited = true;
      this.#grow();
      return this.#refusal !== undefined;
    }
    for (let i = 0; i < lanes.length; i++) if (!lanes[i]!.isWritable) return false;
    return true;
  }

  count(): { readonly active: number; readonly idle: number } {
    const open = [...this.#lanes, ...this.#joining].filter((lane) => lane.isOpen);
    const idle = open.filter((lane) => lane.isIdle).length;
    return { active: open.length - idle, idle };
  }

  /** The first connection; the others up to the minimum come by themselves. */
  async open(timeoutMs: number): Promise<void> {
    await this.#connect(timeoutMs);
    const everyMs = Math.max(SHORTEST_LOOK_MS, Math.min(HEALTH_CHECK_MS, this.#options.limits.idleMs));
    this.#monitor = setInterval(() => this.#look(), everyMs);
    this.#monitor.unref();
    this.#grow();
  }

  /** A batch is about to be sent. */
  batchBegins(): void {
    if (++this.#batchesUnderWay > this.#peak) this.#need(this.#batchesUnderWay);
  }

  readonly batchEnded = (): void => {
    this.#batchesUnderWay--;
  };

  /** Has the lanes change, even if only into what they are, once nothing is due: `beforeChange` is called then. */
  awaitQuiet(): void {
    this.#isChanging = true;
    this.#checkSoon();
  }

  /** Over another connection, not one of these, something may still come: nothing is sent before the server has ended it. */
  fence(connection: ConnectionIdentity): void {
    if (this.#isClosed) return;
    this.#unfenced.add(connection);
    this.#isChanging = true;
    this.#fence();
    this.#checkSoon();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#attemptTimer);
    clearInterval(this.#monitor);
    const cause = this.#closedError();
    this.#opening?.destroy(cause);
    for (const lane of [...this.#lanes, ...this.#joining]) lane.destroy(cause);
  }

  /** So many batches are under way. */
  #need(connections: number): void {
    this.#peak = Math.max(this.#peak, connections);
    const { max } = this.#options.limits;
    if (this.#lanes.length >= max) return;
    this.#markNeeded(connections);
    this.#grow();
  }

  #markNeeded(connections: number): void {
    const nowMs = performance.now();
    const count = Math.min(connections, this.#options.limits.max);
    for (let index = 0; index < count; index++) this.#neededAtMs[index] = nowMs;
  }

  /** How many there should be. */
  #target(): number {
    const { min, max, idleMs } = this.#options.limits;
    const nowMs = performance.now();
    let needed = this.#neededAtMs.length;
    while (needed > 0 && nowMs - this.#neededAtMs[needed - 1]! >= idleMs) needed--;
    return Math.max(min, this.#isAwaited || this.#options.isAwaited() ? 1 : 0, Math.min(max, needed));
  }

  #isCrowded(): boolean {
    return this.#options.feed?.follows !== true && this.#lanes.length + this.#joining.length > this.#target();
  }

  /** The health monitor: whatever does not answer is replaced, what is not needed is closed. */
  #look(): void {
    this.#markNeeded(this.#peak);
    this.#peak = this.#batchesUnderWay;
    if (this.#isCrowded()) this.awaitQuiet();
    else for (const lane of [...this.#lanes, ...this.#joining]) lane.look();
    this.#grow();
  }

  #grow(): void {
    if (this.#isClosed || this.#isConnecting || this.#attemptTimer !== undefined) return;
    const open = this.#openLanes().length + this.#joining.length;
    if (open < this.#target()) this.#connectAfter(this.#isRecovering ? this.#delayMs(0) : 0, 0);
  }

  #connectAfter(delayMs: number, attempt: number): void {
    this.#attemptTimer = setTimeout(() => {
      this.#attemptTimer = undefined;
      // Perhaps nobody needs it any more. What the next one meets is another matter.
      if (this.#openLanes().length + this.#joining.length >= this.#target()) {
        this.#forgetFailures();
        return;
      }
      this.#connect(this.#options.context.connectTimeoutMs).then(
        () => this.#grow(),
        (error: unknown) => this.#failed(error, attempt),
      );
    }, delayMs);
  }

  #failed(cause: unknown, attempt: number): void {
    if (this.#isClosed) return;
    const error = cause instanceof StateError ? cause : connectionFailure(hostPortOf(this.#options.address), cause);
    this.#lastFailure = error;
    const { logger, onWritable } = this.#options.context;
    logger.warn({ backend: "redis", attempt, cause: error.message }, "connecting failed");
    const wasRefused = this.#refusal !== undefined;
    this.#refusal = error.retryable ? undefined : error;
    const isRefused = this.#refusal !== undefined;
    // What waits is refused now.
    if (isRefused) onWritable();
    const next = wasRefused === isRefused ? attempt + 1 : 1;
    this.#connectAfter(this.#delayMs(next), next);
  }

  #forgetFailures(): void {
    this.#refusal = undefined;
    this.#lastFailure = undefined;
  }

  #delayMs(attempt: number): number {
    return reconnectDelayMs(this.#options.retry, attempt, this.#refusal !== undefined);
  }

  /** To be called whenever the server refuses a write because it is a replica. */
  readonly refusedAsReplica = (): void => {
    if (this.#isClosed || this.#isConnecting || this.#openLanes().length === 0) return;
    if (!this.#relocation.takeDue(performance.now())) return;
    clearTimeout(this.#attemptTimer);
    this.#attemptTimer = undefined;
    const { connectTimeoutMs, logger } = this.#options.context;
    this.#connect(connectTimeoutMs, true)
      .catch((error: unknown) => {
        if (this.#isClosed) return;
        const cause = (error as Error).message;
        logger.warn({ backend: "redis", cause }, "the server is a replica, and connecting anew failed");
      })
      .finally(() => this.#grow());
  };

  /** @param isRelocation whether it is only wanted if it leads to another server than those that are there */
  async #connect(connectTimeoutMs: number, isRelocation = false): Promise<void> {
    this.#isConnecting = true;
    try {
      const tls = await this.#options.tls();
      if (this.#isClosed) throw this.#closedError();
      const lane = this.#newLane(tls, connectTimeoutMs);
      this.#opening = lane;
      const ended = [...this.#unfenced];
      await lane.open(ended, () => this.#openLanes().length === 0);
      for (const facts of ended) this.#unfenced.delete(facts);
      if (isRelocation && !this.#leaveFor(lane)) return;
      this.#joining.push(lane);
      this.#forgetFailures();
      // That may have taken longer than `idleMs`.
      this.#markNeeded(this.#openLanes().length + this.#joining.length);
      this.#isChanging = true;
      this.#fence();
      this.#check();
    } finally {
      this.#isConnecting = false;
      this.#opening = undefined;
    }
  }

  /** False: it leads to the same server, and is closed. */
  #leaveFor(lane: Lane): boolean {
    if (!this.#relocation.begin(lane, [...this.#openLanes(), ...this.#joining])) {
      lane.destroy(this.#closedError());
      return false;
    }
    this.#options.context.logger.warn({ backend: "redis" }, "the server is a replica now, going over to another");
    return true;
  }

  #newLane(tls: TlsMaterial | undefined, connectTimeoutMs: number): Lane {
    const { address, context, limits, feed, libraryVersion, onWrittenAgain } = this.#options;
    try {
      return new Lane({
        ...{ address, tls, context, libraryVersion, feed, connectTimeoutMs },
        busyPollMs: limits.busyPollMs ?? 0,
        onLost: (lost, cause) => this.#lost(lost, cause),
        onBatchEnded: this.batchEnded,
        onReadOnly: this.refusedAsReplica,
        onWrittenAgain,
        onReplied: () => {
          if (this.#isChanging) this.#checkSoon();
        },
      });
    } catch (error) {
      // TLS material that does not fit: Node.js refuses it before there is a connection.
      throw connectionFailure(hostPortOf(address), error);
    }
  }

  #lost(lane: Lane, cause: StateError): void {
    if (this.#isClosed) return;
    const wasJoining = this.#joining.includes(lane);
    this.#joining = this.#joining.filter((other) => other !== lane);
    // One that was closed because it was not needed has left before.
    if (!wasJoining && !this.#lanes.includes(lane)) return;
    this.#lastFailure = cause;
    this.#options.context.logger.warn({ backend: "redis", cause: cause.message }, "connection lost, reconnecting");
    if (!wasJoining) {
      this.#hasLost = true;
      this.#isChanging = true;
      this.#unfenced.add(lane.facts);
    }
    this.#fence();
    this.#check();
    // The next attempt may have been far off, when another connection was only wanted.
    if (this.#openLanes().length === 0) {
      this.#isRecovering = true;
      clearTimeout(this.#attemptTimer);
      this.#attemptTimer = undefined;
    }
    this.#grow();
  }

  /** Over a connection that is there; else the next one's handshake does it. */
  #fence(): void {
    const lane = this.#openLanes()[0] ?? this.#joining[0];
    if (lane === undefined) return;
    for (const facts of this.#unfenced) {
      // To another run of the server: that one has ended, and all its connections with it.
      if (facts.clientId === undefined || facts.runId !== lane.facts.runId) this.#unfenced.delete(facts);
      else lane.end(facts, () => this.#unfenced.delete(facts));
    }
  }

  /** When what is being read just now has been read. */
  #checkSoon(): void {
    if (this.#checkScheduled) return;
    this.#checkScheduled = true;
    queueMicrotask(() => {
      this.#checkScheduled = false;
      this.#check();
    });
  }

  #check(): void {
    if (!this.#isChanging || this.#isClosed) return;
    const open = this.#openLanes();
    if (!open.every((lane) => lane.isIdle)) return;
    // With none left the next one's handshake sees to it.
    if (this.#unfenced.size > 0 && open.length + this.#joining.length > 0) return;
    if (this.#options.beforeChange()) return;
    this.#change(open);
  }

  #change(remaining: Lane[]): void {
    const { onConnected, onReconnected, onWritable } = this.#options.context;
    const wasEmpty = remaining.length === 0;
    const hadLost = this.#hasLost;
    this.#lanes = [...remaining, ...this.#joining.filter((lane) => lane.isOpen)];
    this.#joining = [];
    this.#isChanging = false;
    this.#leaveAbandoned();
    while (this.#isCrowded()) this.#lanes.pop()!.destroy(this.#closedError());
    if (this.#lanes.length > 0) {
      this.#isAwaited = false;
      this.#isRecovering = false;
      this.#hasLost = false;
    } else if (this.isAsleep) {
      this.#forgetFailures();
    }
    if (!wasEmpty || this.#lanes.length === 0) onWritable();
    else if (hadLost) onReconnected();
    else onConnected();
    this.#grow();
  }

  #leaveAbandoned(): void {
    const left = this.#relocation.takeLeft(this.#lanes);
    if (left.length === 0) return;
    this.#lanes = this.#lanes.filter((lane) => !left.includes(lane));
    for (const lane of left) lane.destroy(this.#closedError());
    this.#options.onRelocated();
  }

  #openLanes(): Lane[] {
    return this.#lanes.filter((lane) => lane.isOpen);
  }

  #closedError(): ConnectionError {
    const details = { backend: "redis", reason: "ERR_CLOSED" };
    return new ConnectionError(`${hostPortOf(this.#options.address)}: the engine was closed`, details);
  }
}
