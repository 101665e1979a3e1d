import { readFile } from "node:fs/promises";
import { ConfigError } from "../../core/errors.js";
import type { TlsMaterial } from "./wire/open-socket.js";

/** As given in the options: each of the first three as PEM text or as the path of a file that holds it. */
export interface TlsSettings {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
  /** Default: true. */
  readonly rejectUnauthorized?: boolean;
}

/**
 * Reads what is given as files. To be called for every connection, so that certificates can be renewed.
 * @throws ConfigError when a file cannot be read
 */
export async function readTlsMaterial(settings: TlsSettings): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all([
    textOf("tls.ca", settings.ca),
    textOf("tls.cert", settings.cert),
    textOf("tls.key", settings.key),
  ]);
  const { servername, rejectUnauthorized = true } = settings;
  return { ca, cert, key, servername, rejectUnauthorized };
}

async function textOf(option: string, given: string | undefined): Promise<string | undefined> {
  if (given === undefined || given.includes("-----BEGIN")) return given;
  try {
    return await readFile(given, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(`${option}: neither PEM text nor a file that can be read (${code})`, {
      reason: "ERR_CONFIG",
    });
  }
}
