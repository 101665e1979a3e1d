import { execFile } from "node:child_process";
import { chownSync, existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Certificates } from "./certificates.js";
import { findOnPath } from "./find-redis-server.js";
import { freePort } from "./free-port.js";
import { ServerProcess } from "./server-process.js";
import { temporaryFolder } from "./temporary-folder.js";

export interface PostgresServerOptions {
  /** The server speaks TLS with these, and without it as well unless `requireTls`. */
  readonly tls?: Certificates;
  readonly requireTls?: boolean;
  /** Asked for with SCRAM; default: nobody is asked. */
  readonly password?: string;
  /** The server follows this one, by streaming replication, and takes reads only. */
  readonly primary?: PostgresServer;
  /** Further settings, such as `{ max_connections: "30" }`; they win over the defaults. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: a port that is free. */
  readonly port?: number;
}

/** A database server of this process alone: loopback, gone when the process ends. Its URL carries no password. */
export interface PostgresServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Folder of its programs, such as `psql`. */
  readonly binaries: string;
  /** Ends the server and removes its data. Idempotent. */
  stop(): Promise<void>;
  /** Freezes the server with all its processes. */
  pause(): void;
  resume(): void;
  /** As a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same port after `kill`; acknowledged transactions are there. */
  restart(): Promise<void>;
}

/** The server refuses to run as root; one of these is there on most systems. */
const UNPRIVILEGED = ["postgres", "nobody"];
/** Where distributions keep the programs that are not on the PATH. */
const INSTALLED = "/usr/lib/postgresql";
const USER = "millrace";

/** The folder with `postgres` and `initdb`: `MILLRACE_POSTGRES_BIN`, the PATH, the newest installed; null: none. */
export async function findPostgres(): Promise<string | null> {
  const given = process.env.MILLRACE_POSTGRES_BIN ?? "";
  const onPath = await findOnPath(["initdb"]);
  const installed = existsSync(INSTALLED) ? readdirSync(INSTALLED).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    given,
    onPath === null ? "" : dirname(realpathSync(onPath)),
    ...installed.map((v) => join(INSTALLED, v, "bin")),
  ];
  const has = (folder: string): boolean => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres"));
  return folders.find((folder) => folder !== "" && has(folder)) ?? null;
}

/** @throws Error when no server is installed or it does not start. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = await findPostgres();
  if (binaries === null) throw new Error("no PostgreSQL server found; set MILLRACE_POSTGRES_BIN to its programs");
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  const folder = await temporaryFolder("millrace-postgres-");
  const host = "127.0.0.1";
  const port = options.port ?? (await freePort());
  const data = join(folder.path, "data");
  const settings = {
    listen_addresses: host,
    port: String(port),
    unix_socket_directories: folder.path,
    ...(options.tls === undefined ? {} : { ssl: "on", ssl_cert_file: "server.pem", ssl_key_file: "server.key" }),
    ...options.settings,
  };
  const server = new ServerProcess({
    command: join(binaries, "postgres"),
    args: ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    user,
    // Fast: open transactions are rolled back, nothing waits for clients to leave.
    stopSignal: "SIGINT",
    isReady: () => isReady(data),
  });
  try {
    if (user !== undefined) chownSync(folder.path, user.uid, user.gid);
    const run = (program: string, args: readonly string[]) =>
      promisify(execFile)(join(binaries, program), [...args], { ...user, cwd: "/" });
    if (options.primary === undefined) await createCluster(run, folder.path, data, user, options);
    else await followPrimary(run, data, options.primary);
    await server.start();
  } catch (error) {
    await folder.remove();
    throw error;
  }
  return {
    url: `postgres://${USER}@${host}:${port}/postgres`,
    host,
    port,
    binaries,
    get pid() {
      return server.pid;
    },
    async stop() {
      await server.stop();
      await folder.remove();
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    restart: () => server.start(),
  };
}

type Run = (program: string, args: readonly string[]) => Promise<unknown>;
type User = { readonly uid: number; readonly gid: number } | undefined;

async function createCluster(run: Run, folder: string, data: string, user: User, options: PostgresServerOptions) {
  const { password, tls, requireTls } = options;
  const own = (path: string): void => {
    if (user !== undefined) chownSync(path, user.uid, user.gid);
  };
  const login = ["-A", "trust"];
  if (password !== undefined) {
    const file = join(folder, "password");
    writeFileSync(file, password, { mode: 0o600 });
    own(file);
    login.push("--auth-host=scram-sha-256", `--pwfile=${file}`);
  }
  await run("initdb", ["-D", data, "-U", USER, ...login, "-E", "UTF8", "--locale=C", "--no-sync"]);
  if (tls === undefined) return;
  for (const [from, to] of [
    [tls.certFile, "server.pem"],
    [tls.keyFile, "server.key"],
  ] as const) {
    const path = join(data, to);
    writeFileSync(path, readFileSync(from), { mode: 0o600 });
    own(path);
  }
  if (requireTls === true) {
    const rules = join(data, "pg_hba.conf");
    writeFileSync(rules, readFileSync(rules, "utf8").replace(/^host /gm, "hostssl "));
  }
}

async function followPrimary(run: Run, data: string, { host, port }: PostgresServer): Promise<void> {
  const place = ["-h", host, "-p", String(port), "-U", USER];
  await run("pg_basebackup", ["-D", data, ...place, "-R", "-X", "stream", "-c", "fast", "--no-sync"]);
}

/** The server writes its state on the eighth line of this file; a file left by a crash names another process. */
function isReady(data: string): boolean {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    if (!["ready", "standby"].includes(lines[7]?.trim() ?? "")) return false;
    process.kill(Number(lines[0]), 0);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // No file yet, or one left by a crash: its process is gone, or its number another user's by now.
    if (code === "ENOENT" || code === "ESRCH" || code === "EPERM") return false;
    throw error;
  }
}

export function unprivilegedUser(): { uid: number; gid: number } {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of UNPRIVILEGED) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(":");
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(`PostgreSQL does not run as root, and there is no user ${UNPRIVILEGED.join(" or ")}`);
}
