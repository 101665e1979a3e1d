import { Client } from "pg";
import { startPostgres } from "./postgres-server.js";

/** A server to talk to, whoever started it. */
export interface UsedPostgres {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly version: string;
  /** null: a server that was there before. */
  readonly pid: number | null;
  /** Stops the server if it was started here; a server that was there before is left as it is. */
  stop(): Promise<void>;
}

/** The server of `url` (default: `MILLRACE_POSTGRES_URL`), else one started for the caller. */
export async function usePostgres(url = process.env.MILLRACE_POSTGRES_URL): Promise<UsedPostgres> {
  if (url !== undefined && url !== "") return { ...(await describePostgres(url)), pid: null, stop: async () => {} };
  const server = await startPostgres();
  const { version } = await describePostgres(server.url);
  const { host, port, pid } = server;
  return { url: server.url, host, port, version, pid, stop: () => server.stop() };
}

async function describePostgres(url: string): Promise<Omit<UsedPostgres, "pid" | "stop">> {
  const { hostname, port } = new URL(url);
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>("SHOW server_version");
    return { url, host: hostname, port: port === "" ? 5432 : Number(port), version: rows[0]!.server_version };
  } catch (error) {
    throw new Error(`no PostgreSQL answers at ${hostname}:${port || 5432}: ${(error as Error).message}`);
  } finally {
    await client.end();
  }
}
