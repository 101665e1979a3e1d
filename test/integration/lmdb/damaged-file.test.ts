import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkDataFile } from "../../../src/backends/lmdb/file-check.js";
import { createLmdbDriver } from "../../../src/backends/lmdb/lmdb-driver.js";
import { createEngine } from "../../../src/index.js";
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

test("an empty file, as a process that ends while it makes a store leaves it, is taken for a new one", async (t) => {
  const path = await temporaryFolder(t);
  await writeFile(join(path, "data.mdb"), "");
  const { driver } = await openLmdb(t, path);
  await inOneBatch(driver, (probe) => probe.put("a", "1"));
  assert.equal(String(await inOneBatch(driver, (probe) => probe.get("a"))), "1");
});

test("a file of something else is refused", (t) =>
  refusesAfter(t, (file) => writeFile(file, Buffer.alloc(100_000, "x"))));

test("a file whose second meta page is overwritten is refused", (t) =>
  refusesAfter(t, async (file) => {
    const handle = await open(file, "r+");
    await handle.write(Buffer.alloc(4096, 0xff), 0, 4096, 4096);
    await handle.close();
  }));

test("a file that ends before its last page opens again, if nothing that is in use is missing", async (t) => {
  for (const count of [50, 200, 500, 1000, 1500, 2000, 3000]) {
    const path = await temporaryFolder(t);
    const engine = await createEngine(`lmdb:${path}`);
    await engine.put("kept", "precious");
    const keys = Array.from({ length: count }, (_, index) => `key ${index}`);
    await engine.batchPut(keys.map((key) => [key, "value"] as const));
    await engine.batchDelete(keys);
    await engine.close();
    const again = await createEngine(`lmdb:${path}`);
    assert.equal(String(await again.get("kept")), "precious");
    await again.batchPut(keys.map((key) => [key, "value"] as const));
    assert.equal(await again.clear(), count + 1);
    await again.close();
    const last = await createEngine(`lmdb:${path}`);
    assert.equal(await last.count(), 0);
    await last.put("kept", "again");
    await last.close();
    const size = (await stat(join(path, "data.mdb"))).size;
    // Somewhere in what is left lies the page of the last put.
    await truncate(join(path, "data.mdb"), 2 * 4096);
    assert.ok(size > 2 * 4096);
    await assert.rejects(createEngine(`lmdb:${path}`), { reason: "ERR_DAMAGED_FILE" });
  }
});

const FILLS: readonly [string, () => Buffer][] = [
  ["zeroes", () => Buffer.alloc(4096)],
  ["ones", () => Buffer.alloc(4096, 0xff)],
  ["noise", () => Buffer.from(Array.from({ length: 4096 }, () => Math.floor(Math.random() * 256)))],
];

for (const [what, fill] of FILLS) {
  test(`a file with a page of ${what} is refused, unless the page was free or inside a value, which then does not verify`, async (t) => {
    const path = await temporaryFolder(t);
    await fillWithEverything(path);
    const file = join(path, "data.mdb");
    const whole = await readFile(file);
    const pages = whole.length / 4096;
    let refused = 0;
    for (let page = 2; page < pages; page += 9) {
      const damaged = Buffer.from(whole);
      fill().copy(damaged, page * 4096);
      await writeFile(file, damaged);
      try {
        await checkDataFile(path);
      } catch (error) {
        assert.equal((error as { reason?: string }).reason, "ERR_DAMAGED_FILE");
        refused++;
        continue;
      }
      await assertEverything(path, true);
    }
    assert.ok(refused > pages / 9 / 4, `${refused} of ${pages / 9}`);
  });
}

test("files of every shape that is whole are not refused", async (t) => {
  const path = await temporaryFolder(t);
  for (let round = 0; round < 4; round++) {
    await fillWithEverything(path);
    await checkDataFile(path);
  }
  await assertEverything(path);
});

test("a file that another process is writing to is not taken for damaged", async (t) => {
  const path = await temporaryFolder(t);
  await fillWithEverything(path);
  const script = fileURLToPath(new URL("fixtures/ledger-writer.js", import.meta.url));
  const writer = spawn(process.execPath, [script, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => void writer.kill("SIGKILL"));
  await once(writer.stdout, "data");
  writer.stdout.resume();
  for (let round = 0; round < 200; round++) await checkDataFile(path);
  assert.equal(writer.exitCode, null);
});

/** Small and large values, lifetimes, deleted and rewritten keys: branches, leaves, overflows, two trees, free pages. */
async function fillWithEverything(path: string): Promise<void> {
  const driver = createLmdbDriver({ path });
  await driver.open(driverContext());
  await inOneBatch(driver, (probe) => {
    for (let i = 0; i < 2000; i++) void probe.put(`small ${i}`, `value ${i}`.repeat(10), i % 3 === 0 ? 1e9 + i : 0);
    for (let i = 0; i < 20; i++) void probe.put(`large ${i}`, Buffer.alloc(20_000, i));
    return probe.put("settled", "1");
  });
  await inOneBatch(driver, (probe) => {
    for (let i = 1; i < 2000; i += 4) void probe.delete(`small ${i}`);
    return probe.put("settled", "2");
  });
  await inOneBatch(driver, (probe) => {
    for (let i = 0; i < 20; i += 2) void probe.put(`large ${i}`, Buffer.alloc(9000, i));
    return probe.put("settled", "3");
  });
  await driver.close();
}

async function assertEverything(path: string, mayHoldDamagedValues = false): Promise<void> {
  const driver = createLmdbDriver({ path });
  await driver.open(driverContext());
  const [small, large, deleted] = await inOneBatch(driver, (probe) =>
    Promise.all([
      Promise.all(Array.from({ length: 500 }, (_, i) => probe.get(`small ${4 * i}`))),
      Promise.allSettled(Array.from({ length: 20 }, (_, i) => probe.get(`large ${i}`))),
      probe.contains("small 5"),
    ]),
  );
  for (const [i, value] of small.entries()) assert.equal(value?.toString(), `value ${4 * i}`.repeat(10));
  for (const [i, read] of large.entries()) {
    if (read.status === "fulfilled") assert.ok(read.value?.equals(Buffer.alloc(i % 2 === 0 ? 9000 : 20_000, i)));
    else assert.ok(mayHoldDamagedValues && read.reason.code === "CORRUPT_VALUE", String(read.reason));
  }
  assert.equal(deleted, false);
  await driver.close();
}

test("a whole file is not refused", async (t) => {
  const path = await temporaryFolder(t);
  const first = await openLmdb(t, path);
  await inOneBatch(first.driver, (probe) => probe.put("a", "1"));
  await first.driver.close();
  const { driver } = await openLmdb(t, path);
  assert.equal((await inOneBatch(driver, (probe) => probe.get("a")))?.toString(), "1");
});
