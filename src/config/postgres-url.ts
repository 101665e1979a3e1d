import { refuse } from "./field.js";
import { decodePercent } from "./percent-encoding.js";
import { suggest } from "./suggest.js";

/** As libpq understands them: how much of TLS is wanted, and what of the server's certificate is checked. */
export const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** What a `postgres://` URL says. Files are paths, not yet read. */
export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly sslMode: SslMode;
  /** Certificates of the authorities to trust; `system`: those that Node.js comes with, `verify-full` with them. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly applicationName: string;
  /** Statements are prepared under names, once per connection; undefined: unless a pooler stands between. */
  readonly prepared: boolean | undefined;
  /** Where the tables are; undefined: first of the server's search path. */
  readonly schema: string | undefined;
}

const DEFAULT_PORT = 5432;
const PARAMETERS = [
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "application_name",
  "prepared",
  "schema",
  "user",
  "password",
];
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_$]{0,62}$/;

/**
 * Reads a URL whose scheme, host and credentials are in order already.
 *
 * @param path name of the option, for messages
 * @throws ConfigError that names the parameter and never its value where that may be a secret
 */
export function parsePostgresUrl(url: string, path = "backend"): PostgresAddress {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  for (const name of searchParams.keys()) if (!PARAMETERS.includes(name)) refuseParameter(name, path);
  const text = (name: string): string | undefined => searchParams.get(name) || undefined;
  const trustsSystem = text("sslrootcert") === "system";
  const sslMode = text("sslmode") ?? (trustsSystem ? "verify-full" : "prefer");
  if (!(SSL_MODES as readonly string[]).includes(sslMode)) {
    return refuse(path, `sslmode must be one of ${SSL_MODES.join(", ")}`);
  }
  // Anybody gets a certificate that the system's authorities have signed, for a name of theirs.
  if (trustsSystem && sslMode !== "verify-full")
    return refuse(path, "sslrootcert=system takes sslmode verify-full only");
  const prepared = text("prepared");
  if (prepared !== undefined && prepared !== "true" && prepared !== "false")
    return refuse(path, "prepared must be true or false");
  const schema = text("schema");
  if (schema !== undefined && !IDENTIFIER.test(schema)) {
    return refuse(path, "schema must be letters, digits and _, no digit first, 63 characters at most");
  }
  if ((text("sslcert") === undefined) !== (text("sslkey") === undefined)) {
    return refuse(path, "sslcert and sslkey are given together or not at all");
  }
  const database = decodePercent(pathname.slice(1), "the name of the database", path);
  if (database.includes("/")) return refuse(path, "postgres:// takes the name of a database and nothing more after it");
  return {
    host: decodePercent(hostname, "the host", path).replace(/^\[(.*)\]$/, "$1") || "localhost",
    port: port === "" ? DEFAULT_PORT : Number(port),
    user: decodePercent(username, "the user name", path) || text("user"),
    password: decodePercent(password, "the password", path) || text("password"),
    database: database === "" ? undefined : database,
    sslMode: sslMode as SslMode,
    sslRootCert: text("sslrootcert"),
    sslCert: text("sslcert"),
    sslKey: text("sslkey"),
    applicationName: text("application_name") ?? "millrace",
    prepared: prepared === undefined ? undefined : prepared === "true",
    schema,
  };
}

function refuseParameter(name: string, path: string): never {
  const near = suggest(name, PARAMETERS);
  // A name that resembles none may be part of a password with a raw "?".
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  return refuse(path, `postgres:// takes the parameters ${PARAMETERS.join(", ")} and no others${hint}`);
}
