import type { CanonicalKey } from "../../../core/key.js";
import type { ConnectionCounts } from "../../contract.js";
import { between, type ClockDistance } from "../../replicas/clock-distance.js";
import { Freshness } from "../../replicas/freshness.js";
import type { LogPosition, RecentWrites } from "../../replicas/recent-writes.js";
import { RepeatedQuestion } from "../../replicas/repeated-question.js";
import { POSITION_POLL_MS, patienceFor } from "../../replicas/timing.js";
import type { ControlAddress } from "../control-connection.js";
import type { Lane } from "../lane.js";
import { Replica, type ReplicaSettings } from "./replica.js";
import { askReplicationState, type ReplicationState } from "./replication-state.js";

/** A replica ends lifetimes by its own clock: so far it may be from the primary's, as far as can be told. */
const MAX_CLOCK_DISTANCE_MS = 20;
/** Offsets are counted in 64 bits by the server. */
const OFFSET_BITS = 64n;

export interface ReplicaSetOptions extends Omit<ReplicaSettings, "silenceMs"> {
  readonly addresses: readonly ControlAddress[];
  /** A replica is read while it has everything that the primary had so long ago. */
  readonly maxLagMs: number;
  /** The connections over which the primary is written to. */
  readonly primaryLanes: () => readonly Lane[];
}

/** A server to read from. */
export interface ChosenReplica {
  readonly lane: Lane;
  /** Whether it may not be asked for this key. */
  mayLack(key: CanonicalKey): boolean;
}

/**
 * Servers that follow the primary, for reads. The primary is asked for its offset over the connections that it is written
 * to over, behind all that was sent before, and a replica over the one that it is read over. Offsets count in the history
 * that both name; when the primary's becomes another one, all begins anew, with everything taken for written.
 */
export class ReplicaSet {
  /** Milliseconds that a replica has to answer what it is asked. */
  readonly patienceMs: number;
  readonly #options: ReplicaSetOptions;
  readonly #freshness: Freshness;
  readonly #replicas: readonly Replica[];
  readonly #questions: readonly RepeatedQuestion[];
  #history: string | undefined;
  /** How often the history has become another one: positions of a later one are behind all of an earlier one. */
  #epoch = 0n;
  #lastOffset = 0n;
  #primaryClock: ClockDistance | undefined;
  #turn = 0;

  constructor(options: ReplicaSetOptions) {
    this.#options = options;
    const { addresses, maxLagMs, context } = options;
    this.#freshness = new Freshness(maxLagMs);
    this.patienceMs = patienceFor(maxLagMs, context.operationTimeoutMs);
    const settings = { ...options, silenceMs: this.patienceMs };
    this.#replicas = addresses.map((address) => new Replica(address, settings));
    // Under load an engine stays with one of them; many engines do not stay with the same.
    this.#turn = Math.floor(Math.random() * addresses.length);
    const ask = (question: () => Promise<void>): RepeatedQuestion => new RepeatedQuestion(question, POSITION_POLL_MS);
    this.#questions = [
      ask(() => this.#askPrimary()),
      ...this.#replicas.map((replica) => ask(() => this.#askReplica(replica))),
    ];
  }

  get writes(): RecentWrites {
    return this.#freshness.writes;
  }

  get connections(): ConnectionCounts {
    const open = this.#replicas.filter(({ isOpen }) => isOpen);
    const idle = open.filter(({ isIdle }) => isIdle).length;
    return { active: open.length - idle, idle };
  }

  /** Waits for none of them: without them the primary is read. */
  start(): void {
    for (const replica of this.#replicas) replica.start();
    for (const question of this.#questions) question.start();
  }

  /** undefined: none is fresh enough. */
  choose(): ChosenReplica | undefined {
    const count = this.#replicas.length;
    for (let i = 0; i < count; i++) {
      const chosen = this.#readable(this.#replicas[this.#turn++ % count]!);
      if (chosen !== undefined) return chosen;
    }
    return undefined;
  }

  /** The one that is read over this connection; undefined: it is not fresh enough any more. */
  over(lane: Lane): ChosenReplica | undefined {
    const replica = this.#replicas.find((other) => other.lane === lane);
    return replica === undefined ? undefined : this.#readable(replica);
  }

  #readable({ lane, progress }: Replica): ChosenReplica | undefined {
    if (lane === undefined || !this.#freshness.isFresh(progress)) return undefined;
    const { writes } = this;
    const { reached } = progress;
    return { lane, mayLack: (key) => writes.mayLack(key, reached) };
  }

  async close(): Promise<void> {
    const stopped = this.#questions.map((question) => question.stop());
    for (const replica of this.#replicas) replica.close();
    await Promise.all(stopped);
  }

  async #askPrimary(): Promise<void> {
    const lanes = this.#options.primaryLanes();
    if (lanes.length === 0) return;
    const positioned = this.#freshness.askingPrimary();
    let states: readonly ReplicationState[];
    try {
      // One that was lost is among them, and fails the question, until the server has ended it: what was sent over it may
      // be carried out until then.
      states = await Promise.all(lanes.map((lane) => askReplicationState(lane)));
    } catch (error) {
      const cause = (error as Error).message;
      this.#options.context.logger.debug({ backend: "redis", cause }, "the primary's position is not known");
      return;
    }
    const [{ history, clock }] = states as [ReplicationState];
    // Going over to another server: not all are there yet.
    if (!states.every((state) => state.isPrimary && state.history === history)) return;
    const offset = states.reduce((most, state) => (state.offset > most ? state.offset : most), 0n);
    this.#primaryClock = clock;
    if (history !== this.#history || offset < this.#lastOffset) {
      this.#history = history;
      this.#epoch++;
      this.#freshness.beginAnew();
    } else {
      positioned(this.#positionOf(offset));
    }
    this.#lastOffset = offset;
    this.#freshness.forget(this.#replicas);
  }

  async #askReplica(replica: Replica): Promise<void> {
    const state = await replica.askState();
    // Without the primary's history nothing can be said of a replica's, which is no fault of it.
    if (state === undefined || this.#history === undefined) return;
    const trouble = this.#troubleOf(replica, state);
    replica.complain(trouble);
    if (trouble === undefined) replica.progress.cameTo(this.#positionOf(state.offset), this.#freshness.marks);
    else replica.progress.forget();
    this.#freshness.forget(this.#replicas);
  }

  /** Why it cannot be read; undefined: it can, if it is fresh. */
  #troubleOf({ clock }: Replica, { isPrimary, isLinked, history }: ReplicationState): string | undefined {
    if (isPrimary) return "it is a primary itself";
    if (!isLinked) return "it has no link to its primary";
    if (history !== this.#history) return "it follows another primary, or the same through another history";
    if (this.#primaryClock === undefined || clock === undefined) return "its clock is not known";
    const { leastMs, mostMs } = between(this.#primaryClock, clock, 0);
    if (leastMs > MAX_CLOCK_DISTANCE_MS || mostMs < -MAX_CLOCK_DISTANCE_MS) {
      return `its clock is more than ${MAX_CLOCK_DISTANCE_MS} ms from the primary's, and lifetimes would end at another time`;
    }
    return undefined;
  }

  #positionOf(offset: bigint): LogPosition {
    return (this.#epoch << OFFSET_BITS) | offset;
  }
}
