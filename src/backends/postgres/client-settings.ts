import { userInfo } from "node:os";
import type { Client, ClientConfig } from "pg";
import type { PostgresAddress } from "../../config/postgres-url.js";
import { ConfigError } from "../../core/errors.js";
import type { TlsChoice } from "./tls-options.js";

const KEEP_ALIVE_MS = 10_000;

/**
 * What `pg` is told to reach a server. It takes what is missing or empty from the environment, so nothing is.
 *
 * @throws ConfigError when nobody says who the user is
 */
export function clientSettings(address: PostgresAddress, tls: TlsChoice, connectTimeoutMs: number): ClientConfig {
  const user = address.user ?? ownName();
  const settings: ClientConfig & { readonly sslnegotiation: string } = {
    host: address.host,
    port: address.port,
    user,
    database: address.database ?? user,
    password: () => address.password ?? "",
    application_name: address.applicationName,
    client_encoding: "utf8",
    ssl: tls,
    sslnegotiation: "postgres",
    connectionTimeoutMillis: Math.max(1, Math.ceil(connectTimeoutMs)),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  };
  return settings;
}

/** Takes back what the environment put into a client besides its settings, before it connects. */
export function forgetEnvironment(client: Client): void {
  const { connectionParameters } = client as unknown as { connectionParameters: Record<string, unknown> };
  connectionParameters.options = undefined;
  connectionParameters.replication = undefined;
}

/** For people. */
export function placeOf(address: PostgresAddress): string {
  return `${address.host}:${address.port}`;
}

function ownName(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new ConfigError("backend: the URL names no user, and the system has no name for this process's own", {
      reason: "ERR_CONFIG",
      cause,
    });
  }
}
