import assert from "node:assert/strict";
import { open, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createLmdbDriver } from "../../../src/backends/lmdb/lmdb-driver.js";
import { driverContext, inOneBatch } from "../../support/batch-probe.js";
import { openLmdb, type TestScope, temporaryFolder } from "../../support/lmdb-scope.js";

async function refusesAfter(t: TestScope, damage: (file: string) => Promise<void>): Promise<void> {
  const path = await temporaryFolder(t);
  const { driver } = await openLmdb(t, path);
  await inOneBatch(driver, (probe) => {
    for (let i = 0; i < 500; i++) void probe.put(`key ${i}`, Buffer.alloc(500, i));
    return probe.put("last", "1");
  });
  await driver.close();
  await damage(join(path, "data.mdb"));
  await assert.rejects(createLmdbDriver({ path }).open(driverContext()), {
    code: "CONNECTION",
    reason: "ERR_DAMAGED_FILE",
    outcome: "not-applied",
  });
}

test("a file cut in half is refused", (t) => refusesAfter(t, (file) => truncate(file, 150_000)));

test("a file cut to one page is refused", (t) => refusesAfter(t, (file) => truncate(file, 4096)));

test("an empty file is refused", (t) => refusesAfter(t, (file) => truncate(file, 0)));

test("a file of something else is refused", (t) =>
  refusesAfter(t, (file) => writeFile(file, Buffer.alloc(100_000, "x"))));

test("a file whose second meta page is overwritten is refused", (t) =>
  refusesAfter(t, async (file) => {
    const handle = await open(file, "r+");
    await handle.write(Buffer.alloc(4096, 0xff), 0, 4096, 4096);
    await handle.close();
  }));

test("a whole file is not refused", async (t) => {
  const path = await temporaryFolder(t);
  const first = await openLmdb(t, path);
  await inOneBatch(first.driver, (probe) => probe.put("a", "1"));
  await first.driver.close();
  const { driver } = await openLmdb(t, path);
  assert.equal((await inOneBatch(driver, (probe) => probe.get("a")))?.toString(), "1");
});
