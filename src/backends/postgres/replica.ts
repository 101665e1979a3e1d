import type { PostgresAddress } from "../../config/postgres-url.js";
import type { DriverContext } from "../contract.js";
import { type ClockDistance, clockDistance } from "../replicas/clock-distance.js";
import { type Mark, ReplicaProgress } from "../replicas/replica-progress.js";
import { ControlPlane } from "./control-plane.js";
import { BACKEND, connectionError } from "./errors.js";
import { Lane } from "./lane.js";
import { logPosition } from "./log-position.js";
import { millisecondsOf } from "./server-clock.js";
import { SessionKeeper } from "./session-keeper.js";
import type { TlsChoice } from "./tls-options.js";
import type { WireSession } from "./wire/wire-session.js";

export const SESSIONS_PER_REPLICA = 2;

export interface ReplicaSettings {
  readonly retry: { readonly baseDelayMs: number; readonly maxDelayMs: number; readonly jitter: number };
  /** Milliseconds after which what it has not answered is asked elsewhere. */
  readonly silenceMs: number;
}

/** A server that follows the primary, the connections to it, and how far it has come. */
export class Replica {
  readonly lanes: readonly Lane[];
  readonly progress = new ReplicaProgress();
  readonly #control: ControlPlane;
  readonly #keeper: SessionKeeper;
  #clock: ClockDistance | undefined;

  constructor(
    address: PostgresAddress,
    tls: readonly TlsChoice[],
    { retry, silenceMs }: ReplicaSettings,
    { connectTimeoutMs, logger }: DriverContext,
  ) {
    this.#control = new ControlPlane(address, tls, { connectTimeoutMs, operationTimeoutMs: silenceMs });
    this.#keeper = new SessionKeeper({
      session: { address, tls, connectTimeoutMs, silenceMs, onDrained: () => {} },
      retry,
      logger,
      onOpened: () => {},
      // One that was restarted begins again at an earlier place in the log.
      onLost: () => this.progress.forget(),
      // Nothing is written here.
      endProcess: async () => true,
    });
    this.lanes = Array.from({ length: SESSIONS_PER_REPLICA }, () => new Lane());
    for (const lane of this.lanes) this.#keeper.reopen(lane);
  }

  /** Its clock, as of the last answer. */
  get clock(): ClockDistance | undefined {
    return this.#clock;
  }

  /** The session with the least to do; undefined: there is none. */
  get session(): WireSession | undefined {
    let best: WireSession | undefined;
    for (const { session } of this.lanes) {
      if (session?.isWritable === true && (best === undefined || session.due < best.due)) best = session;
    }
    return best;
  }

  /**
   * @param now the server's time as an expression
   * @param marks oldest first; of the time of the answer
   */
  async askPosition(now: string, marks: () => readonly Mark[]): Promise<void> {
    const askedAtMs = performance.now();
    const [row] = await this.#control.query<{ position: string | null; ms: number }>(
      "replicas",
      `SELECT pg_last_wal_replay_lsn()::text AS position, ${millisecondsOf(now)} AS ms WHERE pg_is_in_recovery()`,
    );
    // No row: it has become a primary of its own and follows nobody.
    if (row?.position == null) {
      this.progress.forget();
      return;
    }
    this.#clock = clockDistance(row.ms, askedAtMs, performance.now());
    this.progress.cameTo(logPosition(row.position), marks());
  }

  async close(): Promise<void> {
    const closing = this.#keeper.close();
    for (const { session } of this.lanes) {
      if (session?.due === 0) session.close();
      else session?.destroy(connectionError(BACKEND, "the engine was closed"));
    }
    await closing;
    await this.#control.close();
  }
}
