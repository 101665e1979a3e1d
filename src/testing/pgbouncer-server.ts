import { chownSync, existsSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { findOnPath } from "./find-redis-server.js";
import { freePort } from "./free-port.js";
import { type PostgresServer, unprivilegedUser } from "./postgres-server.js";
import { ServerProcess } from "./server-process.js";
import { temporaryFolder } from "./temporary-folder.js";

export interface PgBouncer {
  readonly url: string;
  readonly port: number;
  /** Ends the pooler. Idempotent. */
  stop(): Promise<void>;
}

/** Distributions keep it off the PATH of users. */
const INSTALLED = "/usr/sbin/pgbouncer";

/** The program of PgBouncer; null: there is none. */
export async function findPgBouncer(): Promise<string | null> {
  return (await findOnPath(["pgbouncer"])) ?? (existsSync(INSTALLED) ? INSTALLED : null);
}

/**
 * A pooler in transaction mode before a server of this process: each transaction may run on another of `servers`
 * connections.
 *
 * @throws Error when there is no PgBouncer or it does not start
 */
export async function startPgBouncer(server: PostgresServer, servers = 4): Promise<PgBouncer> {
  const command = await findPgBouncer();
  if (command === null) throw new Error("no PgBouncer on the PATH");
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  const folder = await temporaryFolder("millrace-pgbouncer-");
  const port = await freePort();
  const { username, pathname } = new URL(server.url);
  const users = join(folder.path, "users.txt");
  const settings = join(folder.path, "pgbouncer.ini");
  writeFileSync(users, `"${username}" ""\n`);
  writeFileSync(
    settings,
    `[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${servers}
server_reset_query =
`,
  );
  if (user !== undefined) for (const path of [folder.path, users, settings]) chownSync(path, user.uid, user.gid);
  const bouncer = new ServerProcess({
    command,
    args: [settings],
    user,
    stopSignal: "SIGINT",
    isReady: () => accepts(port),
  });
  try {
    await bouncer.start();
  } catch (error) {
    await folder.remove();
    throw error;
  }
  return {
    url: `postgres://${username}@127.0.0.1:${port}${pathname}`,
    port,
    async stop() {
      await bouncer.stop();
      await folder.remove();
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
