import type { PostgresAddress } from "../../config/postgres-url.js";
import type { ConnectionCounts, DriverContext } from "../contract.js";
import type { ControlPlane } from "./control-plane.js";
import { BACKEND } from "./errors.js";
import type { ChosenReplica } from "./job-surroundings.js";
import { logPosition, RecentWrites } from "./recent-writes.js";
import { RepeatedQuestion } from "./repeated-question.js";
import { type Mark, Replica, type ReplicaSettings } from "./replica.js";
import { between, type ClockDistance, clockDistance, millisecondsOf } from "./server-clock.js";
import { tlsChoices } from "./tls-options.js";

const POLL_MS = 50;
/** However little lag is allowed, a replica has so long to answer. */
const SHORTEST_SILENCE_MS = 100;
/** What it leaves of an operation's time is the primary's, which is asked next. */
const SILENCE_SHARE = 0.25;

export interface ReplicaOptions {
  readonly addresses: readonly PostgresAddress[];
  /** A replica is read while it has everything that the primary had so long ago. */
  readonly maxLagMs: number;
  readonly retry: ReplicaSettings["retry"];
  /** The server's time as an expression. */
  readonly now: () => string;
}

/**
 * Servers that follow the primary, for reads. Positions in the log say how far one is behind, so no clock of a server is
 * trusted: the primary is asked where it is, and a replica that has come by that point is as fresh as the question. All
 * are asked what time they have as well, for lifetimes end by the primary's clock. Keys
 * that this engine wrote are read from the primary until the replica has come by their writes. Nobody waits for a replica:
 * each is asked for itself, and what one does not answer is asked of the primary.
 */
export class ReplicaSet {
  readonly writes = new RecentWrites();
  readonly #options: ReplicaOptions;
  readonly #primary: Pick<ControlPlane, "query">;
  readonly #context: DriverContext;
  #replicas: readonly Replica[] = [];
  #questions: readonly RepeatedQuestion[] = [];
  /** Those that are not older than a replica may be, and at least the last; oldest first. */
  readonly #marks: Mark[] = [];
  /** The primary's, as of its last answer. */
  #clock: ClockDistance | undefined;
  #turn = 0;
  #isClosed = false;

  constructor(options: ReplicaOptions, primary: Pick<ControlPlane, "query">, context: DriverContext) {
    this.#options = options;
    this.#primary = primary;
    this.#context = context;
  }

  get connections(): ConnectionCounts {
    const open = this.#replicas.flatMap(({ lanes }) => lanes.filter((lane) => lane.isOpen));
    const active = open.filter(({ session }) => session!.due > 0).length;
    return { active, idle: open.length - active };
  }

  /** Does not wait for replicas: without them reads go to the primary. */
  async start(): Promise<void> {
    const { addresses, maxLagMs, retry } = this.#options;
    // All that may be wrong with them is found before the first connection is made.
    const choices = await Promise.all(addresses.map((address) => tlsChoices(address)));
    const patienceMs = Math.min(maxLagMs, this.#context.operationTimeoutMs * SILENCE_SHARE);
    const settings = { retry, silenceMs: Math.max(SHORTEST_SILENCE_MS, patienceMs) };
    this.#replicas = addresses.map((address, i) => new Replica(address, choices[i]!, settings, this.#context));
    const ask = (question: () => Promise<void>) => new RepeatedQuestion(question, POLL_MS);
    this.#questions = [
      ask(() => this.#askPrimary()),
      ...this.#replicas.map((replica) => ask(() => this.#askReplica(replica))),
    ];
    for (const question of this.#questions) question.start();
  }

  /** undefined: none is fresh enough. */
  choose(): ChosenReplica | undefined {
    const oldestMs = performance.now() - this.#options.maxLagMs;
    const count = this.#replicas.length;
    for (let i = 0; i < count; i++) {
      const replica = this.#replicas[this.#turn++ % count]!;
      if (replica.currentAsOfMs < oldestMs || replica.reached < this.writes.floor) continue;
      const { reached, session, clock } = replica;
      if (session === undefined || clock === undefined || this.#clock === undefined) continue;
      const primaryAhead = between(this.#clock, clock);
      return { session, primaryAhead, mayLack: (key) => this.writes.mayLack(key, reached) };
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([
      ...this.#questions.map((question) => question.stop()),
      ...this.#replicas.map((replica) => replica.close()),
    ]);
  }

  async #askPrimary(): Promise<void> {
    const positioned = this.writes.seal();
    const atMs = performance.now();
    try {
      const [row] = await this.#primary.query<{ position: string; ms: number }>(
        "replicas",
        `SELECT pg_current_wal_insert_lsn()::text AS position, ${millisecondsOf(this.#options.now())} AS ms`,
      );
      this.#clock = clockDistance(row!.ms, atMs, performance.now());
      const position = logPosition(row!.position);
      positioned(position);
      this.#marks.push({ atMs, position });
    } catch (error) {
      this.#complain("the primary's position is not known", error);
    }
    this.#forget();
  }

  async #askReplica(replica: Replica): Promise<void> {
    try {
      await replica.askPosition(this.#options.now(), () => this.#marks);
    } catch (error) {
      this.#complain("a replica does not answer", error);
    }
    this.#forget();
  }

  /** What all replicas in use have, and what any other one must have come by before it is used. */
  #forget(): void {
    const oldestMs = performance.now() - this.#options.maxLagMs;
    const young = this.#marks.findIndex(({ atMs }) => atMs >= oldestMs);
    this.#marks.splice(0, young < 0 ? this.#marks.length - 1 : young);
    const [oldest] = this.#marks;
    if (oldest === undefined) return;
    let reached: bigint | undefined;
    for (const replica of this.#replicas) {
      if (replica.currentAsOfMs < oldestMs) continue;
      if (reached === undefined || replica.reached < reached) reached = replica.reached;
    }
    this.writes.reached(reached === undefined || reached < oldest.position ? oldest.position : reached);
  }

  #complain(message: string, error: unknown): void {
    if (this.#isClosed) return;
    const cause = error instanceof Error ? error.message : String(error);
    this.#context.logger.debug({ backend: BACKEND, cause }, message);
  }
}
