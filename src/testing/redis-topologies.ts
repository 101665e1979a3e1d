import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { type Certificates, makeCertificates } from "./certificates.js";
import { findRedisServer } from "./find-redis-server.js";
import { freePort } from "./free-port.js";
import { type RedisServer, startRedis } from "./redis-server.js";
import { ServerProcess } from "./server-process.js";
import { temporaryFolder } from "./temporary-folder.js";

const PATIENCE_MS = 20_000;
const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1500;
/** By default a master waits five seconds for more replicas that want a copy. */
const COPY_AT_ONCE = ["--repl-diskless-sync-delay", "0"];

export interface TlsRedis {
  /** Its own URL is the one without TLS. */
  readonly server: RedisServer;
  readonly url: string;
  readonly port: number;
  readonly certificates: Certificates;
  stop(): Promise<void>;
}

/** A server that also listens with TLS; clients need not show a certificate. Needs the program `openssl`. */
export async function startTlsRedis(names?: readonly string[]): Promise<TlsRedis> {
  const folder = await temporaryFolder("millrace-tls-");
  try {
    const certificates = await makeCertificates(folder.path, names);
    const port = await freePort();
    const { certFile, keyFile, caFile } = certificates;
    const files = ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", caFile];
    const server = await startRedis({ args: ["--tls-port", String(port), ...files, "--tls-auth-clients", "no"] });
    return {
      server,
      url: `rediss://127.0.0.1:${port}`,
      port,
      certificates,
      async stop() {
        await server.stop();
        await folder.remove();
      },
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

export interface RedisSentinels {
  readonly url: string;
  readonly masterName: string;
  readonly master: RedisServer;
  readonly replicas: readonly RedisServer[];
  readonly sentinels: readonly { readonly port: number; readonly process: ServerProcess }[];
  stop(): Promise<void>;
}

/** One master, its replicas, and sentinels that know each other. Replicas are in step when it resolves. */
export async function startRedisSentinels(
  options: { readonly replicas?: number; readonly sentinels?: number; readonly args?: readonly string[] } = {},
): Promise<RedisSentinels> {
  const { replicas: replicaCount = 1, sentinels: sentinelCount = 3, args = [] } = options;
  const executable = await findRedisServer();
  if (executable === null) throw new Error("no redis-server or valkey-server on the PATH");
  const masterName = "main";
  const folder = await mkdtemp(join(tmpdir(), "millrace-sentinel-"));
  const undo: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    while (undo.length > 0) await undo.pop()!();
  };
  try {
    const master = await startRedis({ args: [...COPY_AT_ONCE, ...args] });
    undo.push(() => master.stop());
    const replicas: RedisServer[] = [];
    for (let i = 0; i < replicaCount; i++) {
      const replica = await startRedis({ args: ["--replicaof", `127.0.0.1 ${master.port}`, ...COPY_AT_ONCE, ...args] });
      undo.push(() => replica.stop());
      replicas.push(replica);
    }
    await answers(master.port, ["INFO", "replication"], (reply) => countOf(/state=online/g, reply) === replicaCount);
    const quorum = Math.floor(sentinelCount / 2) + 1;
    const sentinels: { port: number; process: ServerProcess }[] = [];
    for (let i = 0; i < sentinelCount; i++) {
      const port = await freePort();
      const file = join(folder, `sentinel-${i}.conf`);
      const lines = [
        `port ${port}`,
        "bind 127.0.0.1",
        `dir ${folder}`,
        `sentinel monitor ${masterName} 127.0.0.1 ${master.port} ${quorum}`,
        `sentinel down-after-milliseconds ${masterName} ${NODE_TIMEOUT_MS}`,
        `sentinel failover-timeout ${masterName} ${4 * NODE_TIMEOUT_MS}`,
      ];
      await writeFile(file, `${lines.join("\n")}\n`);
      const sentinel = new ServerProcess({
        command: executable.path,
        args: [file, "--sentinel"],
        isReady: () => accepts(port),
      });
      await sentinel.start();
      undo.push(() => sentinel.stop());
      sentinels.push({ port, process: sentinel });
    }
    for (const { port } of sentinels) {
      await answers(port, ["SENTINEL", "MASTER", masterName], (reply) => {
        const facts = reply.split(",");
        const fact = (name: string): number => Number(facts[facts.indexOf(name) + 1]);
        return fact("num-slaves") === replicaCount && fact("num-other-sentinels") === sentinelCount - 1;
      });
    }
    const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",");
    return { url: `redis+sentinel://${hosts}/${masterName}`, masterName, master, replicas, sentinels, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface RedisCluster {
  readonly url: string;
  /** The masters at the start, then their replicas in the same order. */
  readonly nodes: readonly RedisServer[];
  stop(): Promise<void>;
}

/** A cluster that serves all slots, with so many replicas for each master. */
export async function startRedisCluster(
  options: { readonly masters?: number; readonly replicasPerMaster?: number; readonly args?: readonly string[] } = {},
): Promise<RedisCluster> {
  const { masters: masterCount = 3, replicasPerMaster = 0, args = [] } = options;
  const nodes: RedisServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let i = 0; i < masterCount * (1 + replicasPerMaster); i++) {
      const bus = ["--cluster-port", String(await freePort())];
      const cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", String(NODE_TIMEOUT_MS)];
      nodes.push(await startRedis({ args: [...cluster, ...bus, ...COPY_AT_ONCE, ...args] }));
    }
    const ids: string[] = [];
    for (const [index, node] of nodes.entries()) {
      ids.push(await ask(node.port, ["CLUSTER", "MYID"]));
      if (index < masterCount) {
        const from = Math.floor((index * SLOTS) / masterCount);
        const until = Math.floor(((index + 1) * SLOTS) / masterCount) - 1;
        await ask(node.port, ["CLUSTER", "ADDSLOTSRANGE", String(from), String(until)]);
      }
      // Nodes that begin with equal epochs first have to quarrel about them.
      await ask(node.port, ["CLUSTER", "SET-CONFIG-EPOCH", String(index + 1)]);
      await ask(node.port, ["CONFIG", "SET", "cluster-announce-ip", "127.0.0.1"]);
    }
    const buses = await Promise.all(nodes.map(({ port }) => ask(port, ["CONFIG", "GET", "cluster-port"])));
    // Everybody meets everybody: by gossip alone it takes them many seconds to hear of each other.
    for (const [index, node] of nodes.entries()) {
      for (const [other, bus] of buses.entries()) {
        const address = ["127.0.0.1", String(nodes[other]!.port), bus.split(",")[1]!];
        if (other < index) await ask(node.port, ["CLUSTER", "MEET", ...address]);
      }
    }
    const knows = (reply: string): boolean =>
      countOf(/ connected/g, reply) === nodes.length && !/handshake/.test(reply);
    for (const { port } of nodes) await answers(port, ["CLUSTER", "NODES"], knows);
    for (const [index, node] of nodes.entries()) {
      if (index < masterCount) continue;
      await ask(node.port, ["CLUSTER", "REPLICATE", ids[index % masterCount]!]);
      await answers(node.port, ["INFO", "replication"], (reply) => reply.includes("master_link_status:up"));
    }
    for (const { port } of nodes) {
      await answers(port, ["CLUSTER", "INFO"], (reply) => reply.includes("cluster_state:ok"));
      // Clients learn the replicas from any node.
      await answers(port, ["CLUSTER", "NODES"], (reply) => countOf(/\bslave\b/g, reply) === nodes.length - masterCount);
    }
    const hosts = nodes.slice(0, masterCount).map(({ port }) => `127.0.0.1:${port}`);
    return { url: `redis+cluster://${hosts.join(",")}`, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One command on a connection of its own; the reply as text. */
async function ask(port: number, command: readonly [string, ...string[]]): Promise<string> {
  const client = new Redis({
    host: "127.0.0.1",
    port,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: null,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    const [name, ...args] = command;
    return String(await client.call(name, args));
  } finally {
    client.disconnect();
  }
}

/** Asks until the reply is as it should be. */
async function answers(
  port: number,
  command: readonly [string, ...string[]],
  isRight: (reply: string) => boolean,
): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const reply = await ask(port, command);
    if (isRight(reply)) return;
    if (performance.now() > deadlineMs) throw new Error(`${command.join(" ")} on port ${port} stays at ${reply}`);
    await delay(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function countOf(pattern: RegExp, text: string): number {
  return text.match(pattern)?.length ?? 0;
}
