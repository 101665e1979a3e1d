import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createEngine, type Engine } from "../../../src/index.js";
import { type TestScope, temporaryFolder } from "../../support/lmdb-scope.js";

const MIB = 2 ** 20;

async function open(t: TestScope, url: string): Promise<Engine> {
  const engine = await createEngine({ backend: url, compression: { codec: "none" } });
  t.after(() => engine.close());
  return engine;
}

test("named environments below one directory have their own files and keys", async (t) => {
  const path = await temporaryFolder(t);
  const [one, two] = [await open(t, `lmdb:${path}?name=one`), await open(t, `lmdb:${path}?name=two`)];
  await Promise.all([one.put("a", "1"), two.put("a", "2")]);
  assert.deepEqual([String(await one.get("a")), String(await two.get("a"))], ["1", "2"]);
  assert.equal(await one.clear(), 1);
  assert.equal(String(await two.get("a")), "2");
  assert.deepEqual(readdirSync(path).sort(), ["one", "two"]);
});

test("beyond its quota a store refuses puts as full, reads and deletes on, and takes puts again after", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await open(t, `lmdb:${path}?maxBytes=4MiB`);
  const value = (i: number): Buffer => Buffer.alloc(1000, i);
  let stored = 0;
  const full = { code: "BACKEND", reason: "ERR_FULL", outcome: "not-applied", retryable: false, operation: "put" };
  const fill = async (): Promise<void> => {
    for (; stored < 20_000; stored += 20) {
      const keys = Array.from({ length: 20 }, (_, i) => stored + i);
      await Promise.all(keys.map((i) => engine.put(`key ${i}`, value(i))));
    }
  };
  await assert.rejects(fill(), full);
  const topUp = async (): Promise<void> => {
    for (; stored < 20_000; stored++) await engine.put(`key ${stored}`, value(stored));
  };
  await assert.rejects(topUp(), full);
  assert.ok(stored > 1500 && stored < 4200, `${stored} values of 1000 bytes in 4 MiB`);
  assert.ok(Number((await engine.serverInfo()).usedSize) <= 4 * MIB);
  await assert.rejects(engine.batchPut([["more", value(1)]]), { reason: "ERR_FULL" });
  assert.deepEqual(await engine.get("key 7"), value(7));
  assert.equal(await engine.batchDelete(Array.from({ length: 500 }, (_, i) => `key ${i}`)), 500);
  await engine.put("more", value(1));
  assert.equal(await engine.count(), stored - 500 + 1);
});

test("a store under a quota that is rewritten again and again keeps its file within reach of it", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await open(t, `lmdb:${path}?maxBytes=4MiB`);
  for (let round = 0; round < 60; round++) {
    await Promise.all(Array.from({ length: 200 }, (_, i) => engine.put(`key ${i}`, Buffer.alloc(5000, round))));
  }
  // Copies of what a transaction changes, and what readers still see, come on top.
  assert.ok(statSync(join(path, "data.mdb")).size < 12 * MIB, String(statSync(join(path, "data.mdb")).size));
});

test("a backup holds everything called before it, and opens as any store", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await open(t, `lmdb:${path}?name=live`);
  const puts = Array.from({ length: 3000 }, (_, i) => engine.put(`key ${i}`, `value ${i}`));
  const session = engine.put("session", "1", { ttlMs: 600_000 });
  const backup = engine.backup(join(path, "copies", "first"));
  const later = Array.from({ length: 3000 }, (_, i) => engine.put(`key ${i}`, `later ${i}`));
  await Promise.all([...puts, session, backup, ...later]);
  assert.deepEqual(readdirSync(join(path, "copies", "first")), ["data.mdb"]);
  const copy = await open(t, `lmdb:${path}/copies?name=first`);
  assert.equal(await copy.count(), 3001);
  for (const i of [0, 1234, 2999]) assert.match(String(await copy.get(`key ${i}`)), new RegExp(`^(value|later) ${i}$`));
  assert.ok((await copy.ttl("session"))! > 500_000);
  assert.equal(String(await engine.get("key 7")), "later 7");
});

test("a backup is refused where something lies already, and where no directory can be", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await open(t, `lmdb:${path}?name=live`);
  await engine.put("a", "1");
  const taken = join(path, "taken");
  await mkdir(taken);
  await writeFile(join(taken, "file"), "precious");
  const refused = { code: "BACKEND", reason: "ERR_BACKUP", operation: "backup", backend: "lmdb" };
  await assert.rejects(engine.backup(taken), { ...refused, message: /not empty/ });
  assert.deepEqual(readdirSync(taken), ["file"]);
  await assert.rejects(engine.backup(join(taken, "file", "below")), refused);
  for (const name of ["", "a\0", "a\ud800"]) {
    await assert.rejects(engine.backup(name), { code: "INVALID_ARGUMENT", reason: "ERR_PATH" });
  }
  assert.equal(existsSync(join(path, "live", "data.mdb")), true);
});

test("of several backups into one directory at once one is made, whole, and the others refused", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await open(t, `lmdb:${path}?name=live`);
  await engine.batchPut(Array.from({ length: 2000 }, (_, i) => [`key ${i}`, Buffer.alloc(500, i)] as const));
  for (let round = 0; round < 25; round++) {
    const copy = join(path, `copy${round}`);
    const ends = await Promise.allSettled([engine.backup(copy), engine.backup(copy), engine.backup(copy)]);
    assert.deepEqual(ends.map(({ status }) => status).sort(), ["fulfilled", "rejected", "rejected"], `round ${round}`);
    for (const end of ends) if (end.status === "rejected") assert.equal(end.reason.reason, "ERR_BACKUP");
    assert.deepEqual(readdirSync(copy), ["data.mdb"]);
  }
  assert.equal(await (await open(t, `lmdb:${path}?name=copy0`)).count(), 2000);
});

test("stores that cannot be copied while they work refuse a backup", async (t) => {
  const engine = await open(t, "memory:");
  await assert.rejects(engine.backup("/tmp/nowhere"), { code: "UNSUPPORTED", operation: "backup" });
});
