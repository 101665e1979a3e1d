import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { explainFailedCommit } from "../../../src/backends/lmdb/errors.js";
import { createLmdbDriver } from "../../../src/backends/lmdb/lmdb-driver.js";
import { freeBytesOfVolume } from "../../../src/backends/lmdb/room.js";
import { BackendError } from "../../../src/core/errors.js";
import { createEngine, type Engine } from "../../../src/index.js";
import { driverContext, FakeClock, inOneBatch } from "../../support/batch-probe.js";
import { type TestScope, temporaryFolder } from "../../support/lmdb-scope.js";

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

/** Fills a store of 4 MiB with values of 500 KB; two more do not fit. */
async function nearlyFull(t: TestScope): Promise<Engine> {
  const path = await temporaryFolder(t);
  const engine = await createEngine({ backend: `lmdb:${path}?maxBytes=4MiB`, compression: { codec: "none" } });
  t.after(() => engine.close());
  for (let i = 0; i < 7; i++) await engine.put(`key ${i}`, Buffer.alloc(500_000, i));
  return engine;
}

async function endsOf(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const full = (error: BackendError) => assert.deepEqual([error.reason, error.outcome], ["ERR_FULL", "not-applied"]);
  return Promise.all(
    calls.map((call) =>
      call.catch((error: BackendError) => {
        full(error);
        return "full";
      }),
    ),
  );
}

test("what finds no room within the quota is refused alone, whatever stands beside it", async (t) => {
  const engine = await nearlyFull(t);
  const large = Buffer.alloc(900_000);
  assert.deepEqual(
    await endsOf([engine.put("large", large), engine.put("small", "x"), engine.put("timed", "x", { ttlMs: 9000 })]),
    ["full", undefined, undefined],
  );
  const ends = await endsOf([
    engine.ttl("key 1"),
    engine.put("large", large),
    engine.setIfNotExists("other", large),
    engine.compareAndSwap("swapped", null, large),
    engine.delete("key 0"),
    engine.get("large"),
  ]);
  assert.deepEqual(ends, [Number.POSITIVE_INFINITY, "full", "full", "full", true, null]);
  assert.deepEqual((await engine.listKeys()).sort(), [
    "key 1",
    "key 2",
    "key 3",
    "key 4",
    "key 5",
    "key 6",
    "small",
    "timed",
  ]);
});

test("a key that is deleted and put in one turn is gone where the put finds no room", async (t) => {
  const engine = await nearlyFull(t);
  const ends = await endsOf([
    engine.delete("key 0"),
    engine.put("key 0", Buffer.alloc(2_000_000)),
    engine.get("key 0"),
  ]);
  assert.deepEqual(ends, [true, "full", null]);
});

test("in a store that is full everything that removes goes on", async (t) => {
  const engine = await nearlyFull(t);
  const value = (i: number) => Buffer.alloc(500_000, i);
  for (let i = 0; ; i++) {
    const [end] = await endsOf([engine.put(`filler ${i}`, Buffer.alloc(2000))]);
    if (end === "full") break;
  }
  const filler = engine.put("filler", value(0));
  const ends = await endsOf([
    filler,
    engine.getAndDelete("key 0").then((found) => found?.length),
    engine.compareAndSwap("key 1", value(1), null),
    engine.transaction([
      { type: "delete", key: "key 2" },
      { type: "delete", key: "key 3" },
    ]),
  ]);
  assert.deepEqual(ends, ["full", 500_000, true, undefined]);
  assert.deepEqual((await engine.listKeys("key")).sort(), ["key 4", "key 5", "key 6"]);
});

test("a long value that is to be given another lifetime needs its room on the disk, and none of the quota", async (t) => {
  const path = await temporaryFolder(t);
  let freeBytes = 100 * MIB;
  const driver = createLmdbDriver({ path, freeBytes: () => freeBytes, maxBytes: 4 * MIB });
  await driver.open(driverContext());
  t.after(() => driver.close());
  await inOneBatch(driver, (probe) => probe.put("long", randomBytes(3_000_000)));
  assert.equal(await inOneBatch(driver, (probe) => probe.expire("long", 5000)), true);
  freeBytes = 6 * MIB;
  const full = { reason: "ERR_FULL", outcome: "not-applied", operation: "expire", key: "long" };
  await assert.rejects(
    inOneBatch(driver, (probe) => probe.expire("long", 9000)),
    full,
  );
  const ends = await inOneBatch(driver, (probe) =>
    Promise.allSettled([probe.increment("n", 1n), probe.transaction([{ type: "expire", key: "long", ttlMs: 9000 }])]),
  );
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
});

test("where little is free, expired and cleared records go in steps that need no more", async (t) => {
  const path = await temporaryFolder(t);
  const clock = new FakeClock();
  let freeBytes = 100 * MIB;
  const driver = createLmdbDriver({ path, clock, freeBytes: () => freeBytes });
  await driver.open(driverContext());
  t.after(() => driver.close());
  const transactions = async () => Number((await driver.serverInfo()).lastTransaction);
  const hundred = Array.from({ length: 100 }, (_, i) => i);
  await inOneBatch(driver, (probe) =>
    Promise.all(hundred.flatMap((i) => [probe.put(`passing ${i}`, "1", 1000), probe.put(`lasting ${i}`, "1")])),
  );
  freeBytes = MIB;
  const before = await transactions();
  assert.equal(await driver.clear("lasting"), 100);
  const cleared = await transactions();
  assert.ok(cleared - before >= 4, `${cleared - before}`);
  clock.advance(60_000);
  while ((await driver.serverInfo()).entries !== "0") await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok((await transactions()) - cleared >= 4);
});
