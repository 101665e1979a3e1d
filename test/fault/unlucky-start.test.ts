import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { EngineOptions } from "../../src/index.js";
import { findPostgres, startPostgres, startRedis, temporaryFolder } from "../../src/testing/index.js";
import { redisIsThere } from "../support/stores.js";

const FIXTURE = fileURLToPath(new URL("fixtures/unlucky-start.js", import.meta.url));

/** An operation makes some 900 bytes; where something of its batch is in the old generation, 130 and more of them stay. */
const MOST_LEFT_BYTES = 100;
const READS = ["get", "contains", "batchGet"];
const CONDITIONAL = ["setIfNotExists", "compareAndSwap", "increment", "transaction", "delete"];
const PUTS = ["put", "batchPut", "put with a signal", "put with a lifetime"];
const COMPRESSED = ["put of compressed values", "get of compressed values"];

async function leavesLittle(options: EngineOptions, names: readonly string[]): Promise<void> {
  const child = fork(FIXTURE, [JSON.stringify(options), ...names], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const exited = once(child, "exit");
  const [left] = (await once(child, "message")) as [Readonly<Record<string, number>>];
  assert.deepEqual(await exited, [0, null]);
  const tooMuch = Object.entries(left).filter(([, bytes]) => bytes > MOST_LEFT_BYTES);
  assert.deepEqual(tooMuch, [], `bytes left an operation: ${JSON.stringify(left)}`);
  assert.deepEqual(Object.keys(left), names);
}

// Without puts: what the library of LMDB keeps of each leads to the next, so that some 90 bytes of each stay.
test("calls on LMDB leave nothing in the old generation however the process started", async (t) => {
  const folder = await temporaryFolder();
  t.after(() => folder.remove());
  await leavesLittle({ backend: `lmdb:${folder.path}` }, [...READS, ...CONDITIONAL]);
});

if (await redisIsThere("what calls leave behind")) {
  test("calls on Redis leave nothing in the old generation however the process started", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    await leavesLittle({ backend: server.url }, [...PUTS, ...READS, ...CONDITIONAL, ...COMPRESSED]);
  });

  test("reads at a replica leave nothing in the old generation however the process started", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const replica = await startRedis({ args: ["--replicaof", `127.0.0.1 ${server.port}`] });
    t.after(() => replica.stop());
    await leavesLittle({ backend: server.url, replicas: [replica.url] }, READS);
  });
}

const postgres = await findPostgres();
test("calls on PostgreSQL leave nothing in the old generation however the process started", {
  skip: postgres === null ? "PostgreSQL is not installed" : false,
}, async (t) => {
  const server = await startPostgres();
  t.after(() => server.stop());
  await leavesLittle({ backend: server.url }, [...PUTS, ...READS, ...CONDITIONAL, ...COMPRESSED]);
});
