import { ClosedError, StateError, TimeoutError } from "../../core/errors.js";
import type { Logger } from "../contract.js";
import { BACKEND, connectionError } from "./errors.js";
import type { Lane } from "./lane.js";
import type { SessionFacts } from "./opened-client.js";
import { type SessionOptions, WireSession } from "./wire/wire-session.js";

/** A server that is back is found within about this, however long it was away. */
const RECONNECT_CEILING_MS = 1000;
/** Between two looks whether a server process has ended. */
const FENCE_POLL_MS = 10;

export interface KeeperOptions {
  readonly session: Omit<SessionOptions, "onClosed" | "onAborting">;
  readonly retry: { readonly baseDelayMs: number; readonly maxDelayMs: number; readonly jitter: number };
  readonly logger: Logger;
  /** A lane has a connection, perhaps in place of one that was lost. */
  readonly onOpened: (lane: Lane, wasLost: boolean) => void;
  /** A lane lost its connection; what was due on it has been told. */
  readonly onLost: (lane: Lane) => void;
  /** Nothing that was lost can write any more. */
  readonly onFenced?: () => void;
  /** The server refuses this client for good, as far as it says: a login, a database. Attempts go on all the same. */
  readonly onRefused?: (error: StateError) => void;
  /** Ends a server process from elsewhere; resolves to whether it is gone. */
  readonly endProcess: (facts: SessionFacts) => Promise<boolean>;
}

/**
 * Keeps lanes connected. When a connection is lost with writes under way, the server process behind it may not know
 * yet and still carry them out: it is ended before anything else is written, so that an old write never lands on top
 * of a newer one.
 */
export class SessionKeeper {
  readonly #options: KeeperOptions;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #underWay = new Set<Promise<void>>();
  /** Those that lost their connection and have none again. */
  readonly #lost = new Set<Lane>();
  /** Server processes with writes whose fate is not known. */
  readonly #unfenced = new Set<SessionFacts>();
  /** Somebody sees to it that they end. */
  #isEnding = false;
  #endPause: () => void = () => {};
  #lastFailure: StateError | undefined;
  #isClosed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Whether a lost connection may still write. */
  get isFencing(): boolean {
    return this.#unfenced.size > 0;
  }

  /** Why a connection was lost or an attempt failed last; undefined since one was made. */
  get lastFailure(): StateError | undefined {
    return this.#lastFailure;
  }

  async open(lane: Lane, connectTimeoutMs = this.#options.session.connectTimeoutMs): Promise<void> {
    const session = await WireSession.open({
      ...this.#options.session,
      connectTimeoutMs,
      onClosed: (cause) => {
        if (lane.session === session) this.#onLost(lane, cause);
      },
      onAborting: () => {
        // Before anybody hears of the loss: what they write next, or what waits already, must not go anywhere else.
        // Behind a pooler the number is not the server's, and the pooler ends a server whose client left in mid-statement.
        if (lane.session !== session || session.facts.isPooled) return;
        if (lane.hasWritesUnderWay) this.fence(session.facts);
      },
    });
    if (this.#isClosed) {
      session.close();
      return;
    }
    this.#lastFailure = undefined;
    lane.session = session;
    lane.neededAtMs = performance.now();
    // The server is there, so the next attempt need not wait.
    this.#endPause();
    this.#options.onOpened(lane, this.#lost.delete(lane));
  }

  /** Connects in the background, again and again until it works. */
  reopen(lane: Lane, attempt = 0, delayMs = this.#delayMs(attempt)): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const opening = this.open(lane).catch((error: unknown) => {
        if (this.#isClosed) return;
        const failure = error instanceof StateError ? error : connectionError(BACKEND, String(error), error);
        this.#lastFailure = failure;
        this.#options.logger.warn({ backend: BACKEND, attempt, cause: failure.message }, "reconnecting failed");
        if (!failure.retryable) this.#options.onRefused?.(failure);
        this.reopen(lane, attempt + 1);
      });
      this.#follow(opening);
    }, delayMs);
    this.#timers.add(timer);
  }

  /** Ends a server process that may still write without anybody who waits for it. */
  fence(facts: SessionFacts): void {
    if (this.#isClosed) return;
    this.#unfenced.add(facts);
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#follow(this.#endLost());
  }

  /**
   * Resolves when nothing that was lost can write any more: for what is not sent over a lane.
   *
   * @throws TimeoutError, ClosedError
   */
  async fenced(limitMs: number): Promise<void> {
    const deadlineMs = performance.now() + limitMs;
    const details = { backend: BACKEND, outcome: "not-applied" } as const;
    while (this.isFencing) {
      if (this.#isClosed) throw new ClosedError("the store was closed", details);
      if (performance.now() > deadlineMs) {
        const message = "writes whose connection was lost may still be under way at the server";
        throw new TimeoutError(message, { ...details, reason: "ERR_TIMEOUT", retryable: true });
      }
      await new Promise((resolve) => setTimeout(resolve, FENCE_POLL_MS));
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#endPause();
    await Promise.all(this.#underWay);
  }

  #follow(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  #onLost(lane: Lane, cause: StateError): void {
    lane.session = undefined;
    if (this.#isClosed) return;
    this.#lost.add(lane);
    this.#lastFailure = cause;
    this.#options.logger.warn({ backend: BACKEND, cause: cause.message }, "connection lost, reconnecting");
    this.#options.onLost(lane);
    this.reopen(lane);
  }

  #delayMs(attempt: number): number {
    const { baseDelayMs, maxDelayMs, jitter } = this.#options.retry;
    if (attempt === 0) return Math.random() * Math.min(baseDelayMs, 10);
    return Math.min(maxDelayMs, RECONNECT_CEILING_MS, baseDelayMs * 2 ** attempt) * (1 - jitter * Math.random());
  }

  /** One process after the other, each again and again until it has ended: lanes open meanwhile. */
  async #endLost(): Promise<void> {
    for (let attempt = 0; this.isFencing && !this.#isClosed; attempt++) {
      try {
        for (const facts of this.#unfenced) {
          while (!(await this.#options.endProcess(facts))) {
            await this.#pause(FENCE_POLL_MS);
            if (this.#isClosed) return;
          }
          this.#unfenced.delete(facts);
          attempt = 0;
        }
      } catch (error) {
        if (this.#isClosed) return;
        const cause = error instanceof Error ? error.message : String(error);
        this.#options.logger.warn({ backend: BACKEND, attempt, cause }, "a lost session cannot be ended yet");
        await this.#pause(this.#delayMs(attempt + 1));
      }
    }
    this.#isEnding = false;
    if (!this.#isClosed) this.#options.onFenced?.();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
