import { ConnectionError, StateError } from "../../../core/errors.js";
import type { DriverContext } from "../../contract.js";
import { type ClockDistance, narrowed } from "../../replicas/clock-distance.js";
import { ReplicaProgress } from "../../replicas/replica-progress.js";
import { connectionFailure } from "../connection-failure.js";
import type { ControlAddress } from "../control-connection.js";
import { hostPortOf, Lane } from "../lane.js";
import { type ReconnectWaits, reconnectDelayMs } from "../reconnect-delay.js";
import type { TlsMaterial } from "../wire/open-socket.js";
import { askReplicationState, type ReplicationState } from "./replication-state.js";

export interface ReplicaSettings {
  readonly context: DriverContext;
  readonly retry: ReconnectWaits;
  readonly libraryVersion: string;
  readonly tls: (address: ControlAddress) => Promise<TlsMaterial | undefined>;
  /** Milliseconds after which what it has not answered is asked elsewhere. */
  readonly silenceMs: number;
  /** As `BusyPoll` takes it. */
  readonly busyPollMs: number;
}

/** A server that follows the primary, and the connection to it. */
export class Replica {
  readonly progress = new ReplicaProgress();
  readonly #address: ControlAddress;
  readonly #settings: ReplicaSettings;
  #lane: Lane | undefined;
  #opening: Lane | undefined;
  #timer: NodeJS.Timeout | undefined;
  #clock: { readonly distance: ClockDistance; readonly atMs: number } | undefined;
  /** Why it is not read, as was said last. */
  #trouble: string | undefined;
  #isClosed = false;

  constructor(address: ControlAddress, settings: ReplicaSettings) {
    this.#address = address;
    this.#settings = settings;
  }

  start(): void {
    this.#connectAfter(0, 0);
  }

  /** Open, and its peer reads; undefined: there is none such. */
  get lane(): Lane | undefined {
    return this.#lane?.isWritable === true ? this.#lane : undefined;
  }

  get isOpen(): boolean {
    return this.#lane !== undefined;
  }

  get isIdle(): boolean {
    return this.#lane?.isIdle === true;
  }

  /** Its clock, as of its last answers. */
  get clock(): ClockDistance | undefined {
    return this.#clock?.distance;
  }

  /** undefined: it does not say, or is not connected. */
  async askState(): Promise<ReplicationState | undefined> {
    const lane = this.#lane;
    if (lane === undefined) return undefined;
    try {
      const state = await askReplicationState(lane);
      // It may have ended with its answer.
      if (lane !== this.#lane) return undefined;
      const atMs = performance.now();
      const earlier = this.#clock;
      const distance =
        earlier === undefined ? state.clock : narrowed(earlier.distance, state.clock, atMs - earlier.atMs);
      this.#clock = { distance, atMs };
      return state;
    } catch (error) {
      this.complain((error as Error).message);
      return undefined;
    }
  }

  /** @param trouble why it is not read; undefined: it may be */
  complain(trouble: string | undefined): void {
    if (this.#isClosed || trouble === this.#trouble) return;
    this.#trouble = trouble;
    const details = { backend: "redis", replica: hostPortOf(this.#address) };
    const { logger } = this.#settings.context;
    if (trouble === undefined) logger.info(details, "the replica follows the primary");
    else logger.warn({ ...details, cause: trouble }, "the replica is not read");
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const details = { backend: "redis", reason: "ERR_CLOSED" };
    const cause = new ConnectionError(`${hostPortOf(this.#address)}: the engine was closed`, details);
    this.#opening?.destroy(cause);
    this.#lane?.destroy(cause);
  }

  #connectAfter(delayMs: number, attempt: number): void {
    this.#timer = setTimeout(() => {
      this.#connect().catch((error: unknown) => this.#failed(error, attempt));
    }, delayMs);
    this.#timer.unref();
  }

  #failed(cause: unknown, attempt: number): void {
    if (this.#isClosed) return;
    const error = cause instanceof StateError ? cause : connectionFailure(hostPortOf(this.#address), cause);
    this.complain(error.message);
    this.#connectAfter(reconnectDelayMs(this.#settings.retry, attempt + 1, !error.retryable), attempt + 1);
  }

  async #connect(): Promise<void> {
    const tls = await this.#settings.tls(this.#address);
    if (this.#isClosed) return;
    const lane = this.#newLane(tls);
    this.#opening = lane;
    try {
      await lane.open([], () => false);
      this.#lane = lane;
    } finally {
      this.#opening = undefined;
    }
  }

  #newLane(tls: TlsMaterial | undefined): Lane {
    const { context, libraryVersion, silenceMs, busyPollMs } = this.#settings;
    return new Lane({
      ...{ address: this.#address, tls, libraryVersion, busyPollMs },
      // The engine's callers wait for the primary, not for this one.
      context: { ...context, operationTimeoutMs: silenceMs, onWritable: () => {} },
      connectTimeoutMs: context.connectTimeoutMs,
      feed: undefined,
      onLost: (_lane, cause) => {
        this.#lane = undefined;
        this.#clock = undefined;
        // One that was restarted begins again at an earlier place.
        this.progress.forget();
        this.complain(cause.message);
        if (!this.#isClosed) this.#connectAfter(reconnectDelayMs(this.#settings.retry, 0, false), 0);
      },
      onBatchEnded: () => {},
      onReplied: () => {},
      onReadOnly: () => {},
      onWrittenAgain: () => {},
    });
  }
}
