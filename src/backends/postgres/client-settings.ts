import { userInfo } from "node:os";
import type { ClientConfig } from "pg";
import type { PostgresAddress } from "../../config/postgres-url.js";
import type { TlsChoice } from "./tls-options.js";

const KEEP_ALIVE_MS = 10_000;

/** What `pg` is told to reach a server; nothing is taken from the environment. */
export function clientSettings(address: PostgresAddress, tls: TlsChoice, connectTimeoutMs: number): ClientConfig {
  const user = address.user ?? userInfo().username;
  return {
    host: address.host,
    port: address.port,
    user,
    database: address.database ?? user,
    password: address.password ?? "",
    application_name: address.applicationName,
    ssl: tls,
    connectionTimeoutMillis: Math.max(1, Math.ceil(connectTimeoutMs)),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  };
}
