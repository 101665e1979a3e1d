import type { Client, QueryResultRow } from "pg";
import type { PostgresAddress } from "../../config/postgres-url.js";
import { type Outcome, StateError } from "../../core/errors.js";
import type { ConnectionCounts } from "../contract.js";
import { placeOf } from "./client-settings.js";
import { ControlConnections } from "./control-connections.js";
import {
  connectionError,
  endsSession,
  fatalError,
  isReadTimeout,
  isServerError,
  messageOf,
  refusedError,
  type ServerFailure,
  silenceError,
} from "./errors.js";
import type { SessionFacts } from "./opened-client.js";
import type { TlsChoice } from "./tls-options.js";

const MAX_CONNECTIONS = 2;
/** What may be spent on waiting for a connection, where all of a call has the time of one operation. */
const WAITING_SHARE = 0.75;

export interface ControlSettings {
  readonly connectTimeoutMs: number;
  /** What a statement may take; 0: any time. */
  readonly operationTimeoutMs: number;
  readonly maxConnections?: number;
  /** Calls that may wait for a connection. */
  readonly maxWaiting?: number;
  /** The connection is lost, or given up, with work under way: called before anybody is told. */
  readonly onAbandoned?: (operation: string, facts: SessionFacts) => void;
}

/**
 * Scans and administration, through `pg` as it is, over connections of their own. A statement without an answer in
 * time costs its connection: the answer could come to the next one's question.
 */
export class ControlPlane {
  readonly #place: string;
  readonly #settings: ControlSettings;
  readonly #connections: ControlConnections;

  constructor(address: PostgresAddress, tls: readonly TlsChoice[], settings: ControlSettings) {
    const { connectTimeoutMs, operationTimeoutMs: silenceMs, maxConnections = MAX_CONNECTIONS, maxWaiting } = settings;
    this.#place = placeOf(address);
    this.#settings = settings;
    this.#connections = new ControlConnections(
      { address, tls, connectTimeoutMs, silenceMs },
      maxConnections,
      maxWaiting,
    );
  }

  get connections(): ConnectionCounts {
    return this.#connections.counts;
  }

  query<Row extends QueryResultRow>(
    operation: string,
    text: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Row[]> {
    return this.#lent(operation, this.#asking<Row>(text, values), this.#settings.connectTimeoutMs, "not-applied");
  }

  /** As `query`, within the time of one operation, the waiting for a connection included. */
  queryInTime<Row extends QueryResultRow>(
    operation: string,
    text: string,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    const { connectTimeoutMs, operationTimeoutMs } = this.#settings;
    const work = this.#asking<Row>(text, values, performance.now() + operationTimeoutMs);
    return this.#lent(operation, work, Math.min(connectTimeoutMs, operationTimeoutMs * WAITING_SHARE), "not-applied");
  }

  /** As `query`, of a statement that changes data: one that was sent and has no answer may have been carried out. */
  change<Row extends QueryResultRow>(
    operation: string,
    text: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Row[]> {
    return this.#lent(operation, this.#asking<Row>(text, values), this.#settings.connectTimeoutMs, "unknown");
  }

  /**
   * Hands a connection to `work`; it is closed if that fails, because nobody knows what is still under way on it. Fails
   * when the connection is lost, whatever `work` waits for.
   *
   * @param connectTimeoutMs how long it may take until there is a connection
   */
  withClient<T>(
    operation: string,
    work: (client: Client) => Promise<T>,
    connectTimeoutMs = this.#settings.connectTimeoutMs,
  ): Promise<T> {
    return this.#lent(operation, work, connectTimeoutMs, "not-applied");
  }

  /** @param deadlineMs default: the server has the time of an operation to answer */
  #asking<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
    deadlineMs?: number,
  ): (client: Client) => Promise<readonly Row[]> {
    const { operationTimeoutMs } = this.#settings;
    return async (client) => {
      const leftMs = (): number => Math.max(1, Math.ceil(deadlineMs! - performance.now()));
      const query_timeout = deadlineMs === undefined ? operationTimeoutMs : leftMs();
      const config = { text, values: [...values], query_timeout };
      return (await client.query<Row>(config)).rows;
    };
  }

  async #lent<T>(
    operation: string,
    work: (client: Client) => Promise<T>,
    connectTimeoutMs: number,
    unanswered: Outcome,
  ): Promise<T> {
    const connection = await this.#connections.lend(connectTimeoutMs).catch((error: StateError) => {
      throw error.concerning({ operation });
    });
    const { client, facts } = connection;
    let isSound = false;
    let onEnd: () => void = () => {};
    const lost = new Promise<never>((_resolve, reject) => {
      onEnd = () => reject(new Error("the server closed the connection"));
      client.once("end", onEnd);
    });
    try {
      const result = await Promise.race([work(client), lost]);
      isSound = true;
      return result;
    } catch (error) {
      if (!isAnswer(error) && !facts.isPooled) this.#settings.onAbandoned?.(operation, facts);
      throw this.#translate(error, unanswered).concerning({ operation });
    } finally {
      client.off("end", onEnd);
      this.#connections.takeBack(connection, isSound);
    }
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  #translate(error: unknown, unanswered: Outcome): StateError {
    if (error instanceof StateError) return error;
    const failure = isServerError(error)
      ? { code: error.code, message: error.message, isFatal: endsSession(error.code) }
      : undefined;
    if (failure?.isFatal === false) return refusedError(failure);
    return this.#silence(error, failure).concerning({ outcome: unanswered });
  }

  /** Why there is no answer. */
  #silence(error: unknown, failure: ServerFailure | undefined): StateError {
    if (failure !== undefined) return fatalError(this.#place, failure);
    if (isReadTimeout(error)) return silenceError(this.#place, this.#settings.operationTimeoutMs);
    return connectionError(this.#place, messageOf(error), error);
  }
}

/** Nothing is under way at the server any more. */
function isAnswer(error: unknown): boolean {
  return error instanceof StateError || (isServerError(error) && !endsSession(error.code));
}
