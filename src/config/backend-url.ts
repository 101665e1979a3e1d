import { refuse } from "./field.js";
import { parseLmdbUrl } from "./lmdb-url.js";
import { decodePercent } from "./percent-encoding.js";
import { parsePostgresUrl } from "./postgres-url.js";
import { suggest } from "./suggest.js";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

/** Where a store is. Carries passwords: show it only through `describeAddress`. */
export type BackendAddress =
  | { readonly kind: "memory" }
  | { readonly kind: "lmdb"; readonly path: string; readonly maxBytes?: number }
  | ({ readonly kind: "redis"; readonly database: number; readonly tls: boolean } & HostPort & Credentials)
  | ({
      readonly kind: "redis-sentinel";
      readonly sentinels: readonly HostPort[];
      readonly master: string;
      readonly database: number;
      readonly tls: boolean;
    } & Credentials)
  | ({ readonly kind: "redis-cluster"; readonly nodes: readonly HostPort[]; readonly tls: boolean } & Credentials)
  | { readonly kind: "postgres"; readonly url: string };

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const MAX_DATABASE = 65_535;

const PARSERS: Readonly<Record<string, (scheme: string, rest: string, path: string) => BackendAddress>> = {
  memory: parseMemory,
  lmdb: (_scheme, rest, path) => ({ kind: "lmdb", ...parseLmdbUrl(rest, path) }),
  redis: parseStandalone,
  rediss: parseStandalone,
  "redis+sentinel": parseSentinel,
  "rediss+sentinel": parseSentinel,
  "redis+cluster": parseCluster,
  "rediss+cluster": parseCluster,
  postgres: parsePostgres,
  postgresql: parsePostgres,
};

/**
 * Reads a backend URL. Passwords are percent-decoded; an `@` in a password may also stand as it is, since the last
 * one before the host splits. No part of a malformed URL beyond its scheme enters a message: what looks like a host
 * or a port may well be a password in the wrong place.
 *
 * @param path name of the option, for messages
 * @throws ConfigError
 */
export function parseBackendUrl(url: string, path = "backend"): BackendAddress {
  const colon = url.indexOf(":");
  const scheme = colon < 0 ? "" : url.slice(0, colon).toLowerCase();
  const parse = Object.hasOwn(PARSERS, scheme) ? PARSERS[scheme] : undefined;
  if (parse !== undefined) return parse(scheme, url.slice(colon + 1), path);
  const schemes = Object.keys(PARSERS);
  const near = suggest(scheme, schemes);
  // Without "//" the text before the colon may be anything; a scheme is worth showing only if it looks like one.
  const got = /^[a-z][a-z0-9+.-]{0,30}:\/\//i.test(url) ? `"${scheme}:"` : "a text without a known scheme";
  const hint = near === undefined || near === scheme ? "" : `; did you mean "${near}:"?`;
  return refuse(
    path,
    `must be a URL that begins with ${schemes.map((name) => `${name}:`).join(", ")}; got ${got}${hint}`,
  );
}

/** Names the place without secrets: `redis://cache.local:6379/0`, `lmdb:./state`. */
export function describeAddress(address: BackendAddress): string {
  const list = (hosts: readonly HostPort[]) => hosts.map(hostPort).join(",");
  switch (address.kind) {
    case "memory":
      return "memory:";
    case "lmdb":
      return `lmdb:${address.path}${address.maxBytes === undefined ? "" : `?maxBytes=${address.maxBytes}`}`;
    case "redis":
      return `${address.tls ? "rediss" : "redis"}://${hostPort(address)}/${address.database}`;
    case "redis-sentinel":
      return `${address.tls ? "rediss" : "redis"}+sentinel://${list(address.sentinels)}/${address.master}/${address.database}`;
    case "redis-cluster":
      return `${address.tls ? "rediss" : "redis"}+cluster://${list(address.nodes)}`;
    case "postgres": {
      const { host, pathname } = new URL(address.url);
      return `postgres://${host}${pathname}`;
    }
  }
}

function hostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseMemory(_scheme: string, rest: string, path: string): BackendAddress {
  return rest === "" || rest === "//" ? { kind: "memory" } : refuse(path, 'nothing may follow "memory:"');
}

function parseStandalone(scheme: string, rest: string, path: string): BackendAddress {
  const { hosts, segments, credentials } = splitRedisUrl(scheme, rest, REDIS_PORT, path);
  const [host, ...others] = hosts;
  if (host === undefined || others.length > 0) {
    return refuse(path, `${scheme}:// takes one host; for more use redis+sentinel:// or redis+cluster://`);
  }
  if (segments.length > 1) return refuse(path, `${scheme}:// takes a database number and nothing more after the host`);
  const database = databaseOf(segments[0], path);
  return { kind: "redis", ...host, ...credentials, database, tls: scheme === "rediss" };
}

function parseSentinel(scheme: string, rest: string, path: string): BackendAddress {
  const { hosts, segments, credentials } = splitRedisUrl(scheme, rest, SENTINEL_PORT, path);
  const [master, database, ...others] = segments;
  if (master === undefined || others.length > 0) {
    return refuse(path, `${scheme}:// must end with the name of the master, such as /mymaster or /mymaster/1`);
  }
  return {
    kind: "redis-sentinel",
    sentinels: hosts,
    master: decodePercent(master, "the name of the master", path),
    ...credentials,
    database: databaseOf(database, path),
    tls: scheme.startsWith("rediss"),
  };
}

function parseCluster(scheme: string, rest: string, path: string): BackendAddress {
  const { hosts, segments, credentials } = splitRedisUrl(scheme, rest, REDIS_PORT, path);
  if (segments.length > 1 || (segments.length === 1 && databaseOf(segments[0], path) !== 0)) {
    return refuse(path, "a Redis Cluster has database 0 only; nothing may follow the hosts");
  }
  return { kind: "redis-cluster", nodes: hosts, ...credentials, tls: scheme.startsWith("rediss") };
}

function parsePostgres(scheme: string, rest: string, path: string): BackendAddress {
  const { userInfo, hostList, tail } = splitAuthority(scheme, rest, path);
  const credentials = credentialsOf(userInfo, path);
  if (userInfo !== undefined && !userInfo.isWellFormed()) {
    return refuse(path, "the user name or the password holds a lone surrogate, which UTF-8 cannot store");
  }
  const encoded = [credentials.username ?? "", credentials.password].filter((part) => part !== undefined);
  const login = userInfo === undefined ? "" : `${encoded.map(encodeURIComponent).join(":")}@`;
  const url = `postgres://${login}${hostList}${tail}`;
  if (!URL.canParse(url)) return refuse(path, `${scheme}:// has a malformed host, port or path`);
  parsePostgresUrl(url, path);
  return { kind: "postgres", url };
}

interface RedisUrl {
  readonly hosts: readonly HostPort[];
  readonly segments: readonly string[];
  readonly credentials: Credentials;
}

function splitRedisUrl(scheme: string, rest: string, defaultPort: number, path: string): RedisUrl {
  const { userInfo, hostList, tail } = splitAuthority(scheme, rest, path);
  if (/[?#]/.test(tail)) return refuse(path, `${scheme}:// takes no parameters after "?" or "#"`);
  return {
    hosts: Object.freeze(hostList.split(",").map((text) => parseHost(text, defaultPort, path))),
    segments: tail.split("/").filter((segment) => segment !== ""),
    credentials: credentialsOf(userInfo, path),
  };
}

function splitAuthority(scheme: string, rest: string, path: string) {
  if (!rest.startsWith("//")) return refuse(path, `"${scheme}:" must be followed by "//"`);
  const body = rest.slice(2);
  const end = body.search(/[/?#]/);
  const authority = end < 0 ? body : body.slice(0, end);
  const tail = end < 0 ? "" : body.slice(end);
  const at = authority.lastIndexOf("@");
  // A password with a raw "/", "?" or "#" leaves its "@" behind what then looks like the end of the host.
  if (tail.includes("@")) {
    return refuse(
      path,
      `${scheme}://: in a user name or password write "/", "?" and "#" as %2F, %3F and %23; behind the host write "@" as %40`,
    );
  }
  return { userInfo: at < 0 ? undefined : authority.slice(0, at), hostList: authority.slice(at + 1), tail };
}

function parseHost(text: string, defaultPort: number, path: string): HostPort {
  const [, bracketed, plain, portText] = /^(?:\[([0-9a-f:.%]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? defaultPort : Number(portText);
  if (host === undefined || port < 1 || port > 65_535) {
    return refuse(
      path,
      "each host must be a name or an address with an optional port in 1..65535, such as localhost:6379",
    );
  }
  return Object.freeze({ host, port });
}

function credentialsOf(userInfo: string | undefined, path: string): Credentials {
  if (userInfo === undefined) return {};
  const colon = userInfo.indexOf(":");
  const username = decodePercent(colon < 0 ? userInfo : userInfo.slice(0, colon), "the user name", path);
  const password = colon < 0 ? "" : decodePercent(userInfo.slice(colon + 1), "the password", path);
  return { ...(username === "" ? {} : { username }), ...(password === "" ? {} : { password }) };
}

function databaseOf(segment: string | undefined, path: string): number {
  if (segment === undefined) return 0;
  const database = /^\d{1,5}$/.test(segment) ? Number(segment) : Number.NaN;
  return database <= MAX_DATABASE ? database : refuse(path, `the database must be a number in 0..${MAX_DATABASE}`);
}
