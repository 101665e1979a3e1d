import type { Socket } from "node:net";
import { Client } from "pg";
import type { PostgresAddress } from "../../config/postgres-url.js";
import { StateError } from "../../core/errors.js";
import { clientSettings, forgetEnvironment, placeOf } from "./client-settings.js";
import { connectFailure, connectionError } from "./errors.js";
import { isAboutTls, type TlsChoice } from "./tls-options.js";

/**
 * The server gives a statement up before this side gives the server up. There is no shorter limit for locks, after which
 * those that wait for none could be told apart: of a table that is locked, or of several rows, each division would wait
 * anew, one behind the other, for longer than the deadline of those that nothing holds up.
 */
const STATEMENT_SHARE = 0.9;

export interface SessionFacts {
  readonly pid: number;
  /** Tells this server process from a later one with the same number: microseconds, whatever the session's settings. */
  readonly startedAt: string;
  readonly version: string;
  /** The server behind the connection may be another one for each transaction. */
  readonly isPooled: boolean;
  readonly isReplica: boolean;
}

export interface OpeningOptions {
  readonly address: PostgresAddress;
  readonly tls: readonly TlsChoice[];
  readonly connectTimeoutMs: number;
  /** Milliseconds after which the server counts as gone, with a statement under way; 0: statements take any time. */
  readonly silenceMs: number;
}

export interface OpenedClient {
  readonly client: Client;
  readonly facts: SessionFacts;
}

/**
 * Connects in the first way that works, login and settings included.
 *
 * @throws ConnectionError; `retryable` tells whether another attempt may end otherwise
 */
export async function openClient(options: OpeningOptions): Promise<OpenedClient> {
  const { address, tls, connectTimeoutMs, silenceMs } = options;
  const place = placeOf(address);
  const deadlineMs = performance.now() + connectTimeoutMs;
  for (const [index, choice] of tls.entries()) {
    let client: Client | undefined;
    try {
      client = new Client(clientSettings(address, choice, deadlineMs - performance.now()));
      forgetEnvironment(client);
      // Without a listener the process would end; whoever uses the client hears of it otherwise.
      client.on("error", () => {});
      await client.connect();
      return { client, facts: await readFacts(client, silenceMs, deadlineMs) };
    } catch (error) {
      if (client !== undefined) socketOf(client).destroy();
      if (error instanceof StateError) throw error;
      if (index < tls.length - 1 && isAboutTls(error)) continue;
      throw connectFailure(place, error);
    }
  }
  throw connectionError(place, "there is no way to connect");
}

/** Its own type does not tell what it is. */
export function socketOf(client: Client): Socket {
  return (client.connection as unknown as { stream: Socket }).stream;
}

/** In one question: whoever connects waits for it. */
async function readFacts(client: Client, silenceMs: number, deadlineMs: number): Promise<SessionFacts> {
  const { processID } = client as unknown as { processID: number };
  const statementMs = silenceMs === 0 ? 0 : Math.max(1, Math.floor(silenceMs * STATEMENT_SHARE));
  // A pooler hands out numbers of its own, and no setting that outlives a transaction means anything behind it.
  const set = (setting: string, ms: number): string =>
    `CASE WHEN a.pid = ${processID} THEN set_config('${setting}', '${ms}', false) END`;
  const text = `SELECT a.pid, ${startOf("a")}::text AS started_at, current_setting('server_version') AS version,
    pg_is_in_recovery() AS is_replica, ${set("statement_timeout", statementMs)},
    ${set("idle_in_transaction_session_timeout", Math.ceil(silenceMs))}
    FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()`;
  const query_timeout = Math.max(1, Math.ceil(deadlineMs - performance.now()));
  const { rows } = await client.query<Record<string, string | number | boolean>>({ text, query_timeout } as never);
  const [row] = rows;
  const pid = Number(row?.pid);
  return {
    pid,
    startedAt: String(row?.started_at),
    version: String(row?.version),
    isPooled: pid !== processID,
    isReplica: row?.is_replica === true,
  };
}

/** As text a time depends on the session's time zone and date style, which are its role's and may change. */
function startOf(activity: string): string {
  return `(extract(epoch FROM ${activity}.backend_start) * 1000000)::int8`;
}

/** Ends a server process; a row comes back while it is there. Parameters: `pid` and `startedAt`. */
export const END_PROCESS = `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
  WHERE a.pid = $1 AND ${startOf("a")} = $2::int8`;
