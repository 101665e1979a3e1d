import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startRedis, temporaryFolder } from "../../../src/testing/index.js";
import { redisIsThere } from "../../support/stores.js";

const FIXTURE = fileURLToPath(new URL("fixtures/works-and-closes.js", import.meta.url));
/** Far below every timeout in the fixture, far above what starting and ending a process takes. */
const LIMIT_MS = 15_000;

async function endsByItself(args: readonly string[], onReady: () => Promise<void> = async () => {}): Promise<void> {
  const child = fork(FIXTURE, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const exited = once(child, "exit");
  child.once("message", () => {
    void onReady().then(() => child.send("go on"));
  });
  const [code, signal] = await exited;
  clearTimeout(limit);
  assert.deepEqual([code, signal], [0, null]);
}

test("memory: a process that opens, works and closes ends by itself", () => endsByItself(["memory:"]));

test("lmdb: a process that opens, works and closes ends by itself", async (t) => {
  const folder = await temporaryFolder();
  t.after(() => folder.remove());
  await endsByItself([`lmdb:${folder.path}`]);
});

if (await redisIsThere("ends of processes that use Redis")) {
  test("redis: a process that opens, works and closes ends by itself", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    await endsByItself([server.url]);
  });

  test("redis: a process that closes while it connects again ends by itself", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const silent = createServer((socket) => socket.on("error", () => socket.destroy()).resume());
    t.after(() => new Promise<void>((resolve) => silent.close(() => resolve())));
    await endsByItself([server.url, "while the server is away"], async () => {
      await server.kill();
      // Connections are accepted and never answered: the attempt to connect outlives the engine if nobody ends it.
      const tried = once(silent, "connection");
      silent.listen(server.port, "127.0.0.1");
      await tried;
    });
  });
}
