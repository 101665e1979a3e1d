import type { Client } from "pg";
import { ClosedError, QueueFullError, type StateError, TimeoutError } from "../../core/errors.js";
import type { ConnectionCounts } from "../contract.js";
import { placeOf } from "./client-settings.js";
import { BACKEND } from "./errors.js";
import { type OpenedClient, type OpeningOptions, openClient, socketOf } from "./opened-client.js";

const IDLE_MS = 10_000;
/** As many as the pipeline has pending, unless it is told otherwise. */
const MAX_WAITING = 100_000;

interface Idle {
  readonly connection: OpenedClient;
  readonly timer: NodeJS.Timeout;
}

interface Waiting {
  grant(): void;
  refuse(error: Error): void;
}

/**
 * Connections that open on need, in any of the ways that the address allows, are lent to one user at a time, and close
 * when idle. Idle ones keep no process alive.
 */
export class ControlConnections {
  readonly #options: OpeningOptions;
  readonly #max: number;
  readonly #lent = new Set<Client>();
  readonly #opening = new Set<Promise<OpenedClient>>();
  readonly #maxWaiting: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();
  #idle: Idle[] = [];
  /** Lent or being opened. */
  #taken = 0;
  #isClosed = false;

  constructor(options: OpeningOptions, max: number, maxWaiting = MAX_WAITING) {
    this.#options = options;
    this.#max = max;
    this.#maxWaiting = maxWaiting;
  }

  get counts(): ConnectionCounts {
    return { active: this.#lent.size, idle: this.#idle.length };
  }

  /** @throws ConnectionError; TimeoutError, none was free within `limitMs`; QueueFullError; ClosedError */
  async lend(limitMs: number): Promise<OpenedClient> {
    const deadlineMs = performance.now() + limitMs;
    await this.#takePlace(limitMs);
    try {
      const connection = this.#wakeIdle() ?? (await this.#open(Math.max(1, deadlineMs - performance.now())));
      if (this.#isClosed) {
        end(connection.client);
        throw closedError();
      }
      this.#lent.add(connection.client);
      return connection;
    } catch (error) {
      this.#freePlace();
      throw error;
    }
  }

  /** @param isSound nothing is under way on it */
  takeBack(connection: OpenedClient, isSound: boolean): void {
    const { client } = connection;
    this.#lent.delete(client);
    if (isSound && !this.#isClosed) this.#keep(connection);
    else end(client);
    this.#freePlace();
  }

  /** What is lent is cut off. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { refuse } of this.#waiting) refuse(closedError());
    this.#waiting.clear();
    for (const { connection, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      end(connection.client);
    }
    for (const client of this.#lent) socketOf(client).destroy();
    await Promise.allSettled(this.#opening);
  }

  async #takePlace(limitMs: number): Promise<void> {
    if (this.#isClosed) throw closedError();
    if (this.#taken < this.#max) {
      this.#taken++;
      return;
    }
    if (this.#waiting.size >= this.#maxWaiting) throw this.#tooManyError();
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        grant: () => {
          clearTimeout(timer);
          resolve();
        },
        refuse: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(this.#inUseError());
      }, limitMs);
      this.#waiting.add(waiting);
    });
  }

  #freePlace(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    this.#waiting.delete(next);
    next.grant();
  }

  #inUseError(): StateError {
    const message = `${placeOf(this.#options.address)}: all connections for this kind of work were in use`;
    return new TimeoutError(message, { backend: BACKEND, reason: "ERR_TIMEOUT", retryable: true });
  }

  #tooManyError(): StateError {
    const message = `${this.#maxWaiting} calls wait for a connection already`;
    return new QueueFullError(message, { backend: BACKEND, reason: "ERR_QUEUE_FULL", retryable: true });
  }

  #wakeIdle(): OpenedClient | undefined {
    const idle = this.#idle.pop();
    if (idle === undefined) return undefined;
    clearTimeout(idle.timer);
    socketOf(idle.connection.client).ref();
    return idle.connection;
  }

  async #open(connectTimeoutMs: number): Promise<OpenedClient> {
    const opening = openClient({ ...this.#options, connectTimeoutMs });
    this.#opening.add(opening);
    try {
      const connection = await opening;
      connection.client.once("end", () => this.#drop(connection.client));
      return connection;
    } finally {
      this.#opening.delete(opening);
    }
  }

  #keep(connection: OpenedClient): void {
    const { client } = connection;
    const timer = setTimeout(() => {
      this.#drop(client);
      end(client);
    }, IDLE_MS);
    timer.unref();
    socketOf(client).unref();
    this.#idle.push({ connection, timer });
  }

  #drop(client: Client): void {
    for (const idle of this.#idle) if (idle.connection.client === client) clearTimeout(idle.timer);
    this.#idle = this.#idle.filter((idle) => idle.connection.client !== client);
  }
}

function closedError(): ClosedError {
  return new ClosedError("the store is not open", { backend: BACKEND });
}

/** Takes leave of the server, or hangs up if it is at work. */
function end(client: Client): void {
  void client.end();
}
