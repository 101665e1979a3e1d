import type { PostgresAddress } from "../../config/postgres-url.js";
import type { CanonicalKey } from "../../core/key.js";
import type { ConnectionCounts, DriverContext } from "../contract.js";
import { ControlPlane } from "./control-plane.js";
import { BACKEND, connectionError } from "./errors.js";
import { Lane } from "./lane.js";
import { type LogPosition, logPosition, RecentWrites } from "./recent-writes.js";
import { SessionKeeper } from "./session-keeper.js";
import { tlsChoices } from "./tls-options.js";
import type { WireSession } from "./wire/wire-session.js";

const POLL_MS = 50;
const SESSIONS_PER_REPLICA = 2;

export interface ReplicaOptions {
  readonly addresses: readonly PostgresAddress[];
  /** A replica is read while it has everything that the primary had so long ago. */
  readonly maxLagMs: number;
  readonly retry: { readonly baseDelayMs: number; readonly maxDelayMs: number; readonly jitter: number };
}

interface Replica {
  readonly control: ControlPlane;
  readonly keeper: SessionKeeper;
  readonly lanes: readonly Lane[];
  reached: LogPosition;
  /** When the primary was where this replica is now; monotonic ms. */
  currentAsOfMs: number;
}

interface Mark {
  readonly atMs: number;
  readonly position: LogPosition;
}

/**
 * Servers that follow the primary, for reads. Positions in the log say how far one is behind, so no clock of a server is
 * trusted: the primary is asked where it is, and a replica that has come by that point is as fresh as the question. Keys
 * that this engine wrote are read from the primary until the replica has come by their writes.
 */
export class ReplicaSet {
  readonly writes = new RecentWrites();
  readonly #options: ReplicaOptions;
  readonly #primary: ControlPlane;
  readonly #context: DriverContext;
  #replicas: readonly Replica[] = [];
  #marks: Mark[] = [];
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  #poll: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ReplicaOptions, primary: ControlPlane, context: DriverContext) {
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
    const { connectTimeoutMs, operationTimeoutMs, logger } = this.#context;
    this.#replicas = await Promise.all(
      this.#options.addresses.map(async (address) => {
        const tls = await tlsChoices(address);
        const control = new ControlPlane(address, tls, { connectTimeoutMs, operationTimeoutMs });
        const keeper = new SessionKeeper({
          session: { address, tls, connectTimeoutMs, silenceMs: operationTimeoutMs, onDrained: () => {} },
          retry: this.#options.retry,
          logger,
          onOpened: () => {},
          onLost: () => {},
          // Nothing is written here.
          endProcess: async () => true,
        });
        const lanes = Array.from({ length: SESSIONS_PER_REPLICA }, () => new Lane());
        for (const lane of lanes) keeper.reopen(lane);
        return { control, keeper, lanes, reached: 0n, currentAsOfMs: Number.NEGATIVE_INFINITY };
      }),
    );
    this.#schedule();
  }

  /** A session to read from, and which keys it may not be asked for; undefined: none is fresh enough. */
  choose(): { readonly session: WireSession; readonly mayLack: (key: CanonicalKey) => boolean } | undefined {
    const oldestMs = performance.now() - this.#options.maxLagMs;
    const count = this.#replicas.length;
    for (let i = 0; i < count; i++) {
      const replica = this.#replicas[this.#turn++ % count]!;
      if (replica.currentAsOfMs < oldestMs || replica.reached < this.writes.floor) continue;
      let best: WireSession | undefined;
      for (const { session } of replica.lanes) {
        if (session?.isWritable === true && (best === undefined || session.due < best.due)) best = session;
      }
      const { reached } = replica;
      if (best !== undefined) return { session: best, mayLack: (key) => this.writes.mayLack(key, reached) };
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#poll;
    await Promise.all(
      this.#replicas.map(async ({ keeper, lanes, control }) => {
        const closing = keeper.close();
        for (const { session } of lanes) {
          if (session?.due === 0) session.close();
          else session?.destroy(connectionError(BACKEND, "the engine was closed"));
        }
        await closing;
        await control.close();
      }),
    );
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#poll = this.#ask();
      void this.#poll.then(() => this.#schedule());
    }, POLL_MS);
    this.#timer.unref();
  }

  async #ask(): Promise<void> {
    await this.#askPrimary();
    await Promise.all(this.#replicas.map((replica) => this.#askReplica(replica)));
    const oldestMs = performance.now() - this.#options.maxLagMs;
    const inUse = this.#replicas.filter(({ currentAsOfMs }) => currentAsOfMs >= oldestMs);
    if (inUse.length === 0) return;
    this.writes.reached(inUse.reduce((least, { reached }) => (reached < least ? reached : least), inUse[0]!.reached));
  }

  async #askPrimary(): Promise<void> {
    const positioned = this.writes.seal();
    const atMs = performance.now();
    try {
      const [row] = await this.#primary.query<{ position: string }>(
        "replicas",
        "SELECT pg_current_wal_insert_lsn()::text AS position",
      );
      const position = logPosition(row!.position);
      positioned(position);
      this.#marks.push({ atMs, position });
      const oldestMs = atMs - this.#options.maxLagMs;
      if (this.#marks[0]!.atMs < oldestMs) this.#marks = this.#marks.filter((mark) => mark.atMs >= oldestMs);
    } catch (error) {
      this.#complain("the primary's position is not known", error);
    }
  }

  async #askReplica(replica: Replica): Promise<void> {
    try {
      const [row] = await replica.control.query<{ position: string | null }>(
        "replicas",
        "SELECT pg_last_wal_replay_lsn()::text AS position WHERE pg_is_in_recovery()",
      );
      // No row: it has become a primary of its own and follows nobody.
      if (row?.position == null) {
        replica.currentAsOfMs = Number.NEGATIVE_INFINITY;
        return;
      }
      replica.reached = logPosition(row.position);
      for (const { atMs, position } of this.#marks) {
        if (position <= replica.reached && atMs > replica.currentAsOfMs) replica.currentAsOfMs = atMs;
      }
    } catch (error) {
      this.#complain("a replica does not answer", error);
    }
  }

  #complain(message: string, error: unknown): void {
    if (this.#isClosed) return;
    const cause = error instanceof Error ? error.message : String(error);
    this.#context.logger.debug({ backend: BACKEND, cause }, message);
  }
}
