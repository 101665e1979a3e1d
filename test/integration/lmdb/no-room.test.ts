import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { explainFailedCommit } from "../../../src/backends/lmdb/errors.js";
import { createLmdbDriver } from "../../../src/backends/lmdb/lmdb-driver.js";
import { freeBytesOfVolume } from "../../../src/backends/lmdb/room.js";
import { BackendError } from "../../../src/core/errors.js";
import { createEngine } from "../../../src/index.js";
import { driverContext, FakeClock, inOneBatch } from "../../support/batch-probe.js";
import { temporaryFolder } from "../../support/lmdb-scope.js";

const MIB = 1 << 20;

test("on a full disk puts fail as not applied; reads, deletes and clearing go on, and so do puts after that", async (t) => {
  const path = await temporaryFolder(t);
  let freeBytes = 100 * MIB;
  const driver = createLmdbDriver({ path, freeBytes: () => freeBytes });
  await driver.open(driverContext());
  t.after(() => driver.close());
  await inOneBatch(driver, (probe) => Promise.all([probe.put("a", "1"), probe.put("b", "1"), probe.put("c", "1")]));

  freeBytes = 2 * MIB;
  const full = { code: "BACKEND", reason: "ERR_FULL", outcome: "not-applied", backend: "lmdb" };
  await assert.rejects(
    inOneBatch(driver, (probe) => probe.put("a", "2")),
    { ...full, operation: "put", key: "a" },
  );
  await assert.rejects(
    inOneBatch(driver, (probe) => probe.increment("n", 1n)),
    full,
  );
  const refused = assert.rejects(
    inOneBatch(driver, (probe) => probe.put("a", "2")),
    full,
  );
  assert.equal((await inOneBatch(driver, (probe) => probe.get("a")))?.toString(), "1");
  await refused;
  assert.equal(await inOneBatch(driver, (probe) => probe.delete("a")), true);
  assert.equal(await driver.clear("b"), 1);

  freeBytes = 0;
  await assert.rejects(
    inOneBatch(driver, (probe) => probe.delete("c")),
    full,
  );
  await assert.rejects(driver.clear(""), full);

  freeBytes = 100 * MIB;
  await inOneBatch(driver, (probe) => probe.put("a", "3"));
  assert.equal((await inOneBatch(driver, (probe) => probe.get("a")))?.toString(), "3");
});

test("batches that find no room together are committed apart, as far as the room goes", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await createEngine({ backend: `lmdb:${path}?maxBytes=1MiB`, batching: { maxSize: 1 } });
  t.after(() => engine.close());
  const puts = Array.from({ length: 10 }, (_, i) =>
    engine.put(`key ${i}`, randomBytes(200_000)).then(
      () => "done",
      (error: BackendError) => error.reason,
    ),
  );
  const ends = await Promise.all(puts);
  const done = ends.filter((end) => end === "done").length;
  assert.ok(done >= 2 && done <= 5, `${done} of them`);
  assert.deepEqual(
    ends,
    ends.map((_, i) => (i < done ? "done" : "ERR_FULL")),
  );
  assert.equal((await engine.get(`key ${done - 1}`))?.length, 200_000);
  assert.equal(await engine.get(`key ${done}`), null);
});

test("the free space of a volume is known, that of a path that is not there is no obstacle", async (t) => {
  const path = await temporaryFolder(t);
  const free = freeBytesOfVolume(path);
  assert.ok(Number.isFinite(free) && free > 0);
  assert.equal(freeBytesOfVolume(`${path}/missing`), Number.POSITIVE_INFINITY);
});

/** As the library rejects. */
function failedCommit(reason: Error): Error {
  const error = new Error("Commit failed (see commitError for details)");
  return Object.assign(error, { commitError: Promise.reject(reason) });
}

test("a commit that found no room was not applied", async () => {
  const explained = await explainFailedCommit(failedCommit(new Error("No space left on device: Attempting to write")));
  assert.deepEqual([explained.reason, explained.outcome], ["ERR_FULL", "not-applied"]);
});

test("a commit that fails for another reason has an unknown outcome and names the reason", async () => {
  const reason = new Error("Input/output error");
  const explained = await explainFailedCommit(failedCommit(reason));
  assert.ok(explained instanceof BackendError);
  assert.deepEqual([explained.reason, explained.outcome, explained.cause], ["ERR_COMMIT", "unknown", reason]);
});

test("a transaction's steps count in full against the quota and the room on the disk", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await createEngine({ backend: `lmdb:${path}?maxBytes=1MiB` });
  t.after(() => engine.close());
  const steps = (count: number, bytes: number) =>
    Array.from({ length: count }, (_, i) => ({ type: "put" as const, key: `key ${i}`, value: randomBytes(bytes) }));
  await assert.rejects(engine.transaction(steps(10, 200_000)), { reason: "ERR_FULL", outcome: "not-applied" });
  await assert.rejects(engine.transaction(steps(20_000, 20)), { reason: "ERR_FULL", outcome: "not-applied" });
  assert.equal(await engine.count(), 0);
  await engine.transaction(steps(3, 100_000));
  assert.equal(await engine.count(), 3);
});

test("text counts by its bytes against the quota, and only where it has to be measured", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await createEngine({ backend: `lmdb:${path}?maxBytes=1MiB`, compression: { codec: "none" } });
  t.after(() => engine.close());
  await assert.rejects(engine.put("wide", "字".repeat(400_000)), { reason: "ERR_FULL", outcome: "not-applied" });
  await engine.put("narrow", "a".repeat(600_000));
});

test("a new store is not begun where there is no room for it, and opens later; one that is there opens", async (t) => {
  const path = await temporaryFolder(t);
  let freeBytes = MIB / 2;
  const open = async (): Promise<void> => {
    const driver = createLmdbDriver({ path, freeBytes: () => freeBytes });
    await driver.open(driverContext());
    await driver.close();
  };
  await assert.rejects(open(), { code: "CONNECTION", reason: "ERR_OPEN", outcome: "not-applied", message: /free/ });
  assert.deepEqual(readdirSync(path), []);
  freeBytes = 100 * MIB;
  await open();
  freeBytes = 0;
  await open();
});

test("a sweep that finds no room says so once, and again only when it had worked in between", async (t) => {
  const path = await temporaryFolder(t);
  const clock = new FakeClock();
  const warnings: string[] = [];
  const logger = {
    ...driverContext().logger,
    warn: (_: object, message?: string) => void warnings.push(String(message)),
  };
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let freeBytes = 100 * MIB;
  let asked = 0;
  const freeBytesAsked = (): number => {
    asked++;
    return freeBytes;
  };
  const driver = createLmdbDriver({ path, clock, freeBytes: freeBytesAsked });
  await driver.open(driverContext({ logger }));
  t.after(() => driver.close());
  const tick = async (): Promise<void> => {
    t.mock.timers.tick(1000);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const sweepTwice = async (): Promise<void> => {
    for (const before = asked; asked < before + 2; ) await tick();
  };
  const passing = () => inOneBatch(driver, (probe) => probe.put("passing", "1", 1000));
  await passing();
  clock.advance(60_000);
  freeBytes = 0;
  await sweepTwice();
  assert.equal(warnings.length, 1);
  freeBytes = 100 * MIB;
  while ((await driver.serverInfo()).entries !== "0") await tick();
  await passing();
  clock.advance(60_000);
  freeBytes = 0;
  await sweepTwice();
  assert.equal(warnings.length, 2);
});
