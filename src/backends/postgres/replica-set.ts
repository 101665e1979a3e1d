import type { PostgresAddress } from "../../config/postgres-url.js";
import type { ConnectionCounts, DriverContext } from "../contract.js";
import { between, type ClockDistance, clockDistance } from "../replicas/clock-distance.js";
import { Freshness } from "../replicas/freshness.js";
import { LateAnswers } from "../replicas/late-answers.js";
import type { RecentWrites } from "../replicas/recent-writes.js";
import { RepeatedQuestion } from "../replicas/repeated-question.js";
import { POSITION_POLL_MS, patienceFor } from "../replicas/timing.js";
import type { ControlPlane } from "./control-plane.js";
import { BACKEND, silenceError } from "./errors.js";
import type { ChosenReplica } from "./job-surroundings.js";
import { logPosition } from "./log-position.js";
import { Replica, type ReplicaSettings } from "./replica.js";
import { millisecondsOf } from "./server-clock.js";
import { tlsChoices } from "./tls-options.js";
import type { WireSession } from "./wire/wire-session.js";

/** What clocks may gain on each other, or be set by, until they are asked again. */
const CLOCK_MARGIN_MS = 1000;

export interface ReplicaOptions {
  readonly addresses: readonly PostgresAddress[];
  /** A replica is read while it has everything that the primary had so long ago. */
  readonly maxLagMs: number;
  readonly retry: ReplicaSettings["retry"];
  /** The server's time as an expression. */
  readonly now: () => string;
}

/**
 * Servers that follow the primary, for reads. All are asked how far they have come, and what time they have as well, for
 * lifetimes end by the primary's clock. Each is asked for itself, and what one does not answer in time
 * is asked of the primary.
 */
export class ReplicaSet {
  readonly #freshness: Freshness;
  readonly #options: ReplicaOptions;
  readonly #primary: Pick<ControlPlane, "query">;
  readonly #context: DriverContext;
  #replicas: readonly Replica[] = [];
  #questions: readonly RepeatedQuestion[] = [];
  /** The primary's, as of its last answer. */
  #clock: ClockDistance | undefined;
  readonly #patienceMs: number;
  readonly #late: LateAnswers<WireSession>;
  #turn = 0;
  #isClosed = false;

  constructor(options: ReplicaOptions, primary: Pick<ControlPlane, "query">, context: DriverContext) {
    this.#options = options;
    this.#freshness = new Freshness(options.maxLagMs);
    this.#patienceMs = patienceFor(options.maxLagMs, context.operationTimeoutMs);
    this.#late = new LateAnswers(this.#patienceMs, (session, waitedMs) => {
      session.destroy(silenceError(session.place, waitedMs));
    });
    this.#primary = primary;
    this.#context = context;
  }

  get writes(): RecentWrites {
    return this.#freshness.writes;
  }

  get connections(): ConnectionCounts {
    const open = this.#replicas.flatMap(({ lanes }) => lanes.filter((lane) => lane.isOpen));
    const active = open.filter(({ session }) => session!.due > 0).length;
    return { active, idle: open.length - active };
  }

  /** Does not wait for replicas: without them reads go to the primary. */
  async start(): Promise<void> {
    const { addresses, retry } = this.#options;
    // All that may be wrong with them is found before the first connection is made.
    const choices = await Promise.all(addresses.map((address) => tlsChoices(address)));
    const settings = { retry, silenceMs: this.#patienceMs };
    this.#replicas = addresses.map((address, i) => new Replica(address, choices[i]!, settings, this.#context));
    const ask = (question: () => Promise<void>) => new RepeatedQuestion(question, POSITION_POLL_MS);
    this.#questions = [
      ask(() => this.#askPrimary()),
      ...this.#replicas.map((replica) => ask(() => this.#askReplica(replica))),
    ];
    for (const question of this.#questions) question.start();
  }

  /** undefined: none is fresh enough. */
  choose(): ChosenReplica | undefined {
    const count = this.#replicas.length;
    for (let i = 0; i < count; i++) {
      const replica = this.#replicas[this.#turn++ % count]!;
      const { progress, session, clock } = replica;
      if (!this.#freshness.isFresh(progress)) continue;
      if (session === undefined || clock === undefined || this.#clock === undefined) continue;
      const { reached } = progress;
      const primaryAhead = between(this.#clock, clock, CLOCK_MARGIN_MS);
      return {
        ...{ session, primaryAhead },
        asked: () => this.#late.begin(session),
        mayLack: (key) => this.writes.mayLack(key, reached),
      };
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#late.close();
    await Promise.all([
      ...this.#questions.map((question) => question.stop()),
      ...this.#replicas.map((replica) => replica.close()),
    ]);
  }

  async #askPrimary(): Promise<void> {
    const positioned = this.#freshness.askingPrimary();
    const atMs = performance.now();
    try {
      const [row] = await this.#primary.query<{ position: string; ms: number }>(
        "replicas",
        `SELECT pg_current_wal_insert_lsn()::text AS position, ${millisecondsOf(this.#options.now())} AS ms`,
      );
      this.#clock = clockDistance(row!.ms, atMs, performance.now());
      positioned(logPosition(row!.position));
    } catch (error) {
      this.#complain("the primary's position is not known", error);
    }
    this.#freshness.forget(this.#replicas);
  }

  async #askReplica(replica: Replica): Promise<void> {
    try {
      await replica.askPosition(this.#options.now(), () => this.#freshness.marks);
    } catch (error) {
      this.#complain("a replica does not answer", error);
    }
    this.#freshness.forget(this.#replicas);
  }

  #complain(message: string, error: unknown): void {
    if (this.#isClosed) return;
    const cause = error instanceof Error ? error.message : String(error);
    this.#context.logger.debug({ backend: BACKEND, cause }, message);
  }
}
