import { Redis } from "ioredis";
import {
  type FaultProxy,
  type RedisReadBack,
  type RedisServer,
  redisReadBack,
  startFaultProxy,
  startRedis,
} from "../../src/testing/index.js";
import { waitUntil } from "./wait-until.js";

export const PASSWORD = "chaos-of-one-machine";
export const KEY_PREFIX = "chaos:";

/** Above this much log a restart would spend its time on replaying old rounds. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/**
 * The log is written before replies leave, without waiting for the disk: exactly what survives `kill -9`, so an
 * acknowledged write that is missing afterwards is somebody's fault.
 */
const SERVER_ARGUMENTS = [
  ["--appendonly", "yes"],
  ["--appendfsync", "no"],
  ["--auto-aof-rewrite-percentage", "0"],
  ["--requirepass", PASSWORD],
  ["--enable-debug-command", "yes"],
  ["--busy-reply-threshold", "50"],
  ["--loading-process-events-interval-bytes", "1024"],
].flat();

/** A server that follows the one that is written to, and the ways to it. */
export interface Follower {
  readonly server: RedisServer;
  /** Over it the engine reaches it. */
  readonly proxy: FaultProxy;
  /** Over it the follower reaches the server that it follows. */
  readonly link: FaultProxy;
  readonly admin: Redis;
}

/** A server, the proxy through which the engine reaches it, and ways past the proxy. */
export interface Arena {
  readonly server: RedisServer;
  readonly proxy: FaultProxy;
  /** Straight to the server, for faults and cleaning. */
  readonly admin: Redis;
  readonly followers: readonly Follower[];
  readonly readBack: RedisReadBack;
  /** For the engine: through the proxy. */
  readonly url: string;
  /** Of the followers. */
  readonly replicas: readonly string[];
  /** Commands that read, which followers have served since the last question; those before a restart are not counted. */
  replicaReads(): Promise<number>;
  /** Resolves when every replica has its link to the server. */
  replicasFollow(): Promise<void>;
  /** Resolves when nothing that was sent earlier, on whatever connection, can still reach the data. */
  settled(): Promise<void>;
  /** Removes all data, and the log of it when that has grown. */
  wipe(): Promise<void>;
  close(): Promise<void>;
}

export async function openArena(followerCount = 0): Promise<Arena> {
  const server = await startRedis({ args: SERVER_ARGUMENTS });
  const proxy = await startFaultProxy(server.port);
  const direct = `redis://:${PASSWORD}@127.0.0.1:${server.port}`;
  const admin = adminClient(server.port);
  const readBack = redisReadBack(direct, KEY_PREFIX);
  const followers: Follower[] = [];
  for (let i = 0; i < followerCount; i++) followers.push(await openFollower(server));
  return {
    server,
    proxy,
    admin,
    followers,
    readBack,
    url: urlOf(proxy),
    replicas: followers.map((follower) => urlOf(follower.proxy)),
    async replicaReads() {
      let sum = 0;
      for (const follower of followers) {
        sum += Number(/cmdstat_mget:calls=(\d+)/.exec(await follower.admin.info("commandstats"))?.[1] ?? 0);
        await follower.admin.config("RESETSTAT");
      }
      return sum;
    },
    async replicasFollow() {
      await Promise.all(followers.map(({ admin }) => untilLinked(admin)));
    },
    async settled() {
      await readBack.read(["-"]);
      // A dead connection counts as a client until the server has read, and done, everything that came over it.
      await waitUntil("the server has no client beside those that are open", async () => {
        const [clients, { open }] = await Promise.all([admin.info("clients"), proxy.statistics()]);
        const own = 2;
        return Number(/connected_clients:(\d+)/.exec(clients)?.[1]) <= open + own;
      });
    },
    async wipe() {
      await admin.flushall("SYNC");
      const persistence = await admin.info("persistence");
      if (Number(/aof_current_size:(\d+)/.exec(persistence)?.[1] ?? 0) < MAX_LOG_BYTES) return;
      await admin.bgrewriteaof();
      await waitUntil("the log is rewritten", async () =>
        /aof_rewrite_in_progress:0[\s\S]*aof_rewrite_scheduled:0/.test(await admin.info("persistence")),
      );
    },
    async close() {
      admin.disconnect();
      readBack.close();
      for (const follower of followers) {
        follower.admin.disconnect();
        await follower.proxy.close();
        await follower.link.close();
        await follower.server.stop();
      }
      await proxy.close();
      await server.stop();
    },
  };
}

async function openFollower({ port }: RedisServer): Promise<Follower> {
  const link = await startFaultProxy(port);
  const follow = ["--replicaof", `127.0.0.1 ${link.port}`, "--masterauth", PASSWORD];
  const server = await startRedis({ args: ["--requirepass", PASSWORD, ...follow] });
  const admin = adminClient(server.port);
  await untilLinked(admin);
  return { server, link, admin, proxy: await startFaultProxy(server.port) };
}

function untilLinked(admin: Redis): Promise<void> {
  return waitUntil("a replica has its link", async () =>
    (await admin.info("replication")).includes("master_link_status:up"),
  );
}

function urlOf(proxy: FaultProxy): string {
  return `redis://:${PASSWORD}@127.0.0.1:${proxy.port}`;
}

/** Waits through outages: what it is asked for is done once the server is back. */
export function adminClient(port: number): Redis {
  const client = new Redis({
    port,
    host: "127.0.0.1",
    password: PASSWORD,
    maxRetriesPerRequest: null,
    retryStrategy: () => 10,
    // Only commands that may be repeated are sent through it.
    autoResendUnfulfilledCommands: true,
    enableReadyCheck: false,
  });
  // Outages are what this is for; a command that fails says so itself.
  client.on("error", () => {});
  return client;
}
