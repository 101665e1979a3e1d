import { Pool, type PoolClient, type QueryResultRow } from "pg";
import type { PostgresAddress } from "../../config/postgres-url.js";
import { ClosedError, StateError } from "../../core/errors.js";
import { clientSettings } from "./client-settings.js";
import { BACKEND, connectFailure, connectionError, isSqlState, messageOf, refusedError } from "./errors.js";
import { isAboutTls, type TlsChoice } from "./tls-options.js";
import { placeOf } from "./wire/wire-session.js";

const MAX_CONNECTIONS = 2;
const IDLE_MS = 10_000;

export interface ControlSettings {
  readonly connectTimeoutMs: number;
  readonly operationTimeoutMs: number;
}

/**
 * Scans and administration, through `pg` as it is, over connections of their own that open on need and close when
 * idle. A statement without an answer in time costs its connection: the answer could come to the next one's question.
 */
export class ControlPlane {
  readonly #address: PostgresAddress;
  readonly #tls: readonly TlsChoice[];
  readonly #settings: ControlSettings;
  #pool: Pool | undefined;
  /** Which of the ways to connect worked last. */
  #choice = 0;
  #isClosed = false;

  constructor(address: PostgresAddress, tls: readonly TlsChoice[], settings: ControlSettings) {
    this.#address = address;
    this.#tls = tls;
    this.#settings = settings;
  }

  get connections(): number {
    return this.#pool?.totalCount ?? 0;
  }

  /** @param limitMs how long the server may take, where that is not an operation's time; 0: any time */
  query<Row extends QueryResultRow>(
    operation: string,
    text: string,
    values: readonly unknown[] = [],
    limitMs = this.#settings.operationTimeoutMs,
  ): Promise<readonly Row[]> {
    return this.withClient(operation, async (client) => {
      const config = { text, values: [...values], query_timeout: limitMs };
      return (await client.query<Row>(config)).rows;
    });
  }

  /** Hands a connection to `work`; it is closed if that fails, because nobody knows what is still under way on it. */
  async withClient<T>(operation: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new ClosedError("the store is not open", { operation, backend: BACKEND });
    const client = await this.#connect(operation);
    let failure: Error | undefined;
    try {
      return await work(client);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      throw this.#translate(operation, error);
    } finally {
      client.release(failure);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#pool?.end();
  }

  async #connect(operation: string): Promise<PoolClient> {
    for (;;) {
      try {
        this.#pool ??= this.#newPool(this.#tls[this.#choice]!);
        return await this.#pool.connect();
      } catch (error) {
        if (this.#isClosed) throw new ClosedError("the store was closed", { operation, backend: BACKEND });
        const next = (this.#choice + 1) % this.#tls.length;
        if (next === 0 || !isAboutTls(error)) {
          throw connectFailure(placeOf(this.#address), error).concerning({ operation });
        }
        this.#choice = next;
        void this.#pool?.end();
        this.#pool = undefined;
      }
    }
  }

  #newPool(tls: TlsChoice): Pool {
    const pool = new Pool({
      ...clientSettings(this.#address, tls, this.#settings.connectTimeoutMs),
      max: MAX_CONNECTIONS,
      idleTimeoutMillis: IDLE_MS,
      allowExitOnIdle: true,
    });
    // A connection that ends, idle or lent out, is dropped by the pool, and a query on it fails. Without listeners the
    // process would end as well.
    pool.on("error", () => {});
    pool.on("connect", (client) => client.on("error", () => {}));
    return pool;
  }

  #translate(operation: string, error: unknown): StateError {
    if (error instanceof StateError) return error;
    const { code } = error as { code?: string };
    if (isSqlState(code)) {
      return refusedError({ code, message: messageOf(error), isFatal: false }, { operation });
    }
    return connectionError(placeOf(this.#address), messageOf(error)).concerning({ operation });
  }
}
