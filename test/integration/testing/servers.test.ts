import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import { Cluster, Redis } from "ioredis";
import {
  findOnPath,
  findPostgres,
  type PostgresServer,
  startPostgres,
  startRedisCluster,
  startRedisSentinels,
  startTlsRedis,
} from "../../../src/testing/index.js";
import { redisIsThere } from "../../support/stores.js";
import { until } from "../../support/until.js";

async function query(server: PostgresServer, sql: string): Promise<string> {
  const { stdout } = await promisify(execFile)(join(server.binaries, "psql"), [server.url, "-XAtc", sql]);
  return stdout.trim();
}

if (await redisIsThere("servers for tests")) {
  const openssl = await findOnPath(["openssl"]);
  test("a server with TLS is trusted through its own authority, and only so", { skip: openssl === null }, async (t) => {
    const redis = await startTlsRedis();
    t.after(() => redis.stop());
    const said = (ca: string[]): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectTls({ host: "127.0.0.1", port: redis.port, ca }, () => socket.write("PING\r\n"));
        const finish = (what: string): void => {
          socket.destroy();
          resolve(what);
        };
        socket.once("data", (reply) => finish(reply.toString()));
        socket.once("error", (error: Error & { code?: string }) => finish(error.code ?? error.message));
      });
    assert.equal(await said([redis.certificates.ca]), "+PONG\r\n");
    assert.match(await said([]), /CERT|SIGNATURE/);
  });

  test("sentinels put the replica in the place of a master that was killed", async (t) => {
    const topology = await startRedisSentinels();
    t.after(() => topology.stop());
    const sentinels = topology.sentinels.map(({ port }) => ({ host: "127.0.0.1", port }));
    const client = new Redis({ sentinels, name: topology.masterName, maxRetriesPerRequest: null });
    t.after(() => client.disconnect());
    client.on("error", () => {});
    assert.equal(await client.set("key", "before"), "OK");
    await client.wait(1, 5000);
    await topology.master.kill();
    const reader = new Redis(topology.replicas[0]!.url);
    t.after(() => reader.disconnect());
    await until("the replica is the master", async () => (await reader.role())[0] === "master");
    assert.equal(await reader.get("key"), "before");
  });

  test("a cluster serves every slot from masters that have replicas", async (t) => {
    const topology = await startRedisCluster({ replicasPerMaster: 1 });
    t.after(() => topology.stop());
    assert.equal(topology.nodes.length, 6);
    const cluster = new Cluster(topology.nodes.map(({ port }) => ({ host: "127.0.0.1", port })));
    t.after(() => cluster.disconnect());
    for (let i = 0; i < 50; i++) assert.equal(await cluster.set(`key ${i}`, String(i)), "OK");
    for (let i = 0; i < 50; i++) assert.equal(await cluster.get(`key ${i}`), String(i));
    const nodes = String(await cluster.cluster("NODES"));
    assert.equal(nodes.match(/\bmaster\b/g)?.length, 3);
    assert.equal(nodes.match(/\bslave\b/g)?.length, 3);
  });
}

const postgres = await findPostgres();
const reason = postgres === null ? "no PostgreSQL server is installed" : false;

test("a database server keeps what it acknowledged when it is killed", { skip: reason }, async (t) => {
  const server = await startPostgres();
  t.after(() => server.stop());
  await query(server, "create table kept (name text); insert into kept values ('there')");
  const firstPid = server.pid;
  await server.kill();
  await assert.rejects(query(server, "select 1"));
  await server.restart();
  assert.notEqual(server.pid, firstPid);
  assert.equal(await query(server, "select name from kept"), "there");
  await server.stop();
  assert.equal(existsSync(`/proc/${firstPid}`), false);
});

test("a frozen database server answers once it goes on", { skip: reason }, async (t) => {
  const server = await startPostgres({ settings: { max_connections: "5" } });
  t.after(() => server.stop());
  server.pause();
  let answer: string | undefined;
  const asked = query(server, "show max_connections").then((text) => {
    answer = text;
  });
  await promisify(execFile)("sleep", ["0.2"]);
  assert.equal(answer, undefined);
  server.resume();
  await asked;
  assert.equal(answer, "5");
});
