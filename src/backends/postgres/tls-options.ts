import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import type { PostgresAddress } from "../../config/postgres-url.js";
import { ConfigError } from "../../core/errors.js";

/** TLS with these settings, or false: without. */
export type TlsChoice = ConnectionOptions | false;

/**
 * The ways to connect in the order in which they are tried. As libpq: `prefer` falls back to no TLS, `allow` to TLS;
 * `require` does not look at the certificate unless a root certificate is named.
 *
 * @throws ConfigError when a file cannot be read
 */
export async function tlsChoices(address: PostgresAddress): Promise<readonly TlsChoice[]> {
  const { sslMode } = address;
  if (sslMode === "disable") return [false];
  const tls = await tlsOptions(address);
  if (sslMode === "prefer") return [tls, false];
  return sslMode === "allow" ? [false, tls] : [tls];
}

/** Whether the next choice is worth a try after this failure: it concerned TLS or the server's rules about it. */
export function isAboutTls(error: unknown): boolean {
  const { code = "", message = "" } = error as Error & { code?: string };
  return (
    message === "The server does not support SSL connections" ||
    code === "28000" ||
    /^(?:ERR_SSL|ERR_TLS|EPROTO)/.test(code)
  );
}

async function tlsOptions(address: PostgresAddress): Promise<ConnectionOptions> {
  const { sslMode, sslRootCert, sslCert, sslKey } = address;
  const ownRoots = sslRootCert !== undefined && sslRootCert !== "system";
  const checksChain = sslMode === "verify-ca" || sslMode === "verify-full" || (sslMode === "require" && ownRoots);
  return {
    rejectUnauthorized: checksChain,
    ...(ownRoots ? { ca: await readPem("sslrootcert", sslRootCert) } : {}),
    ...(sslCert === undefined ? {} : { cert: await readPem("sslcert", sslCert) }),
    ...(sslKey === undefined ? {} : { key: await readPem("sslkey", sslKey) }),
    ...(checksChain && sslMode !== "verify-full" ? { checkServerIdentity: () => undefined } : {}),
  };
}

async function readPem(parameter: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new ConfigError(`backend: ${parameter} names a file that cannot be read: ${path}`, {
      reason: "ERR_CONFIG",
      cause,
    });
  }
}
