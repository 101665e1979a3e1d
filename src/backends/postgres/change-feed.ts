import type { Client } from "pg";
import { StateError, UnsupportedOperationError } from "../../core/errors.js";
import { canonicalKeyOfBytes } from "../../core/key.js";
import type { ChangeListener, Logger } from "../contract.js";
import { channelOf, EVERYTHING } from "./change-notices.js";
import type { ControlPlane } from "./control-plane.js";
import { BACKEND } from "./errors.js";
import type { TableNames } from "./table-names.js";

/** A link on which nothing has come for so long is asked whether it is still there. */
const HEARTBEAT_MS = 1000;
const RETRY_CEILING_MS = 1000;
/** Whoever writes waits while this engine waits for those who use the table already: not long, and rarely. */
const FIRST_LOCK_MS = 20;
const LONGEST_LOCK_MS = 160;
const PAUSE_PER_LOCK = 25;
const LOCK_NOT_AVAILABLE = "55P03";
/** The role may not. */
const FORBIDDEN = "42501";

export interface ChangeFeedOptions {
  /** Connections of the feed's own. */
  readonly control: ControlPlane;
  readonly tables: TableNames;
  /** Of all keys of the engine, as the store has it. */
  readonly prefix: Buffer;
  readonly listener: ChangeListener;
  readonly logger: Logger;
  readonly retry: { readonly baseDelayMs: number };
  /** Milliseconds after which the server must have answered. */
  readonly answerTimeoutMs: number;
  /** Whether a server process is one that this engine writes through: what it writes is known here. */
  readonly isOwn: (pid: number) => boolean;
}

type Ask = (text: string, values?: readonly unknown[]) => Promise<unknown>;

/**
 * Changes by others, as the server tells of them (LISTEN and NOTIFY), over a connection of its own. A notification is
 * delivered when its transaction has become visible, so that a read begun after it sees the change, and a read that
 * was under way is overtaken by it.
 *
 * Those who write tell only if somebody listens, which the server's table of listeners says. It is written under a lock
 * that waits for all statements that have looked into it and are not yet committed, and that lets no other look before:
 * so once the link is up, every change that a read does not see will be told.
 */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions;
  #isClosed = false;
  #wake: (() => void) | undefined;
  #run: Promise<void> = Promise.resolve();

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
  }

  start(): void {
    this.#run = this.#follow();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake?.();
    await this.#run;
    await this.#options.control.close();
  }

  async #follow(): Promise<void> {
    const { control, listener, logger, retry } = this.#options;
    let locked = 0;
    for (let attempt = 0; !this.#isClosed; attempt++) {
      let isUp = false;
      const turn = lockTurn(locked, Math.random());
      try {
        await control.withClient("cache", (client) =>
          this.#listen(client, turn.waitMs, () => {
            isUp = true;
            attempt = 0;
            locked = 0;
            listener.linkUp();
          }),
        );
      } catch (error) {
        if (isUp) listener.linkLost();
        if (this.#isClosed) return;
        const cause = error instanceof Error ? error.message : String(error);
        if (error instanceof StateError && (error.code === "UNSUPPORTED" || error.reason === FORBIDDEN)) {
          const message = "the server does not tell of changes: what the cache holds is dropped by its time only";
          logger.warn({ backend: BACKEND, cause }, message);
          listener.linkRefused(cause);
          return;
        }
        logger.warn({ backend: BACKEND, cause }, "the link over which changes are heard of is down");
        if (!isUp && error instanceof StateError && error.reason === LOCK_NOT_AVAILABLE) {
          locked++;
          await this.#pause(turn.pauseMs);
        } else {
          await this.#pause(Math.min(RETRY_CEILING_MS, retry.baseDelayMs * 2 ** Math.min(attempt, 10)));
        }
      }
    }
  }

  /** Returns when the feed is closed; fails when the connection does. */
  async #listen(client: Client, lockWaitMs: number, onUp: () => void): Promise<void> {
    const { tables } = this.#options;
    const ask = (text: string, values: readonly unknown[] = []) => {
      const query = { text, values: [...values], query_timeout: this.#options.answerTimeoutMs };
      return client.query<{ pid: number; channel: string }>(query);
    };
    const { rows } = await ask(`SELECT pg_backend_pid() AS pid, ${channelOf(tables)} AS channel`);
    const { pid, channel } = rows[0]!;
    // A pooler hands out numbers of its own, and takes the server away with what it would have told.
    if (pid !== (client as unknown as { processID: number }).processID) {
      throw new UnsupportedOperationError("nobody can listen behind a pooler", { backend: BACKEND });
    }
    const lost = new Promise<never>((_resolve, reject) => {
      client.once("end", () => reject(new Error("the server closed the connection")));
      client.once("error", reject);
    });
    // It may come while nobody waits for it; the next query fails as well.
    lost.catch(() => {});
    client.on("notification", (notice) => this.#take(notice.processId, notice.payload ?? EVERYTHING));
    await ask(`LISTEN ${channel}`);
    await this.#enroll(ask, pid, lockWaitMs);
    onUp();
    while (!this.#isClosed) {
      await Promise.race([this.#pause(HEARTBEAT_MS), lost]).finally(() => this.#wake?.());
      if (this.#isClosed) break;
      const here = await ask(`SELECT FROM ${tables.listeners} WHERE pid = $1`, [pid]);
      if (here.rowCount !== 1) throw new Error("the server's table of listeners was emptied");
    }
    await ask(`DELETE FROM ${tables.listeners} WHERE pid = $1`, [pid]).catch(() => {});
    // The connection would go on listening where the next user of the pool knows nothing of it.
    await ask("UNLISTEN *").catch(() => {});
  }

  async #enroll(ask: Ask, pid: number, lockWaitMs: number): Promise<void> {
    const { listeners } = this.#options.tables;
    await ask("BEGIN");
    await ask(`SET LOCAL lock_timeout = ${lockWaitMs}`);
    await ask(`LOCK TABLE ${listeners} IN ACCESS EXCLUSIVE MODE`);
    // Those of processes that have ended without a word.
    await ask(`DELETE FROM ${listeners} WHERE pid = $1 OR pid NOT IN (SELECT a.pid FROM pg_stat_activity a)`, [pid]);
    await ask(`INSERT INTO ${listeners} (pid) VALUES ($1)`, [pid]);
    await ask("COMMIT");
  }

  #take(pid: number, payload: string): void {
    const { listener, prefix, isOwn } = this.#options;
    if (isOwn(pid)) return;
    if (payload === EVERYTHING) {
      listener.everythingChanged();
      return;
    }
    for (const hex of payload.split(" ")) {
      const key = Buffer.from(hex, "hex");
      if (key.subarray(0, prefix.length).equals(prefix)) {
        listener.changed(canonicalKeyOfBytes(key.subarray(prefix.length)));
      }
    }
  }

  #pause(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * How long the lock is waited for, after so many attempts in vain, and the pause if it is in vain again: somebody may hold
 * the table for hours, as a backup does, and all who write wait while this engine does.
 * @param random 0 to 1: engines that wait for the same lock are not to ask together
 */
export function lockTurn(attempts: number, random: number): { readonly waitMs: number; readonly pauseMs: number } {
  const waitMs = Math.min(LONGEST_LOCK_MS, FIRST_LOCK_MS * 2 ** Math.min(attempts, 10));
  return { waitMs, pauseMs: waitMs * PAUSE_PER_LOCK * (1 + random) };
}
