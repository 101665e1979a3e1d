import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findPostgres, startPostgres, startRedis, temporaryFolder } from "../../src/testing/index.js";
import { redisIsThere } from "../support/stores.js";

const FIXTURE = fileURLToPath(new URL("fixtures/leaves-nothing.js", import.meta.url));
const NOTHING = { left: [], threads: [] };

/** What an engine leaves behind in its process when it is closed after some harm was done to its store. */
async function leftBehind(args: readonly string[], harm: () => Promise<void> = async () => {}): Promise<unknown> {
  const child = fork(FIXTURE, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const exited = once(child, "exit");
  await once(child, "message");
  await harm();
  const [[left]] = await Promise.all([once(child, "message"), child.send("close")]);
  assert.deepEqual(await exited, [0, null]);
  return left;
}

test("an engine in memory leaves no timer, thread or port behind when it is closed", async () => {
  assert.deepEqual(await leftBehind(["memory:", "cache"]), NOTHING);
});

test("an engine on LMDB leaves no timer, thread or port behind when it is closed", async (t) => {
  const folder = await temporaryFolder();
  t.after(() => folder.remove());
  assert.deepEqual(await leftBehind([`lmdb:${folder.path}`, "cache"]), NOTHING);
});

if (await redisIsThere("what closed engines leave behind")) {
  for (const cache of ["cache", "no cache"]) {
    for (const harm of ["none", "killed", "frozen", "killed and back"] as const) {
      test(`an engine on Redis, ${cache}, harm ${harm}, leaves no timer, socket or thread behind when it is closed`, async (t) => {
        const server = await startRedis();
        t.after(() => server.stop());
        const left = await leftBehind([server.url, cache], async () => {
          if (harm === "frozen") server.pause();
          if (harm.startsWith("killed")) await server.kill();
          if (harm === "killed and back") await server.restart();
        });
        if (harm === "frozen") server.resume();
        assert.deepEqual(left, NOTHING);
      });
    }
  }
}

const postgres = await findPostgres();
test("an engine on PostgreSQL leaves no timer, socket or thread behind when it is closed, nor when its server is killed", {
  skip: postgres === null ? "PostgreSQL is not installed" : false,
}, async (t) => {
  const server = await startPostgres();
  t.after(() => server.stop());
  assert.deepEqual(await leftBehind([server.url, "cache"]), NOTHING);
  assert.deepEqual(await leftBehind([server.url, "cache"], () => server.kill()), NOTHING);
  await server.restart();
  const killAndWait = async (): Promise<void> => {
    await server.kill();
    // Nothing tells when the engine has heard of it, and what it then waits for lasts a second.
    await delay(300);
  };
  assert.deepEqual(await leftBehind([server.url, "cache", "at rest"], killAndWait), NOTHING);
});
