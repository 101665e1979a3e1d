import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createLmdbDriver } from "../../../src/backends/lmdb/lmdb-driver.js";
import { createEngine } from "../../../src/index.js";
import { describeDriver } from "../../../src/testing/index.js";
import { driverContext, FakeClock, inOneBatch } from "../../support/batch-probe.js";
import { openLmdb, temporaryFolder } from "../../support/lmdb-scope.js";

describeDriver({
  name: "lmdb",
  async open(t) {
    const clock = new FakeClock();
    return {
      driver: createLmdbDriver({ path: await temporaryFolder(t), clock }),
      advance: (ms) => clock.advance(ms),
    };
  },
});

test("memory use covers what was put, and the store knows its entries", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  await inOneBatch(driver, (probe) => probe.put("a", Buffer.alloc(50_000, 1)));
  assert.ok((await driver.memoryUsage()) > 50_000);
  assert.equal((await driver.serverInfo()).entries, "1");
});

test("the directory and its parents are created, a dot in the name makes no file of it", async (t) => {
  const path = join(await temporaryFolder(t), "deep", "state.v1");
  await openLmdb(t, path);
  assert.ok(existsSync(join(path, "data.mdb")));
});

test("what was written is there after closing and opening again, lifetimes included", async (t) => {
  const path = await temporaryFolder(t);
  const first = await openLmdb(t, path);
  await inOneBatch(first.driver, (probe) => Promise.all([probe.put("a", "1"), probe.put("b", "2", 5000)]));
  await first.driver.close();
  const { driver, clock } = await openLmdb(t, path);
  clock.advance(1000);
  const [a, left] = await inOneBatch(driver, (probe) => Promise.all([probe.get("a"), probe.ttl("b")]));
  assert.deepEqual([a?.toString(), left], ["1", 4000]);
});

test("a read sees what another engine had committed by then, however long the event loop has not come round", async (t) => {
  const path = await temporaryFolder(t);
  const one = await openLmdb(t, path);
  const two = await openLmdb(t, path);
  await inOneBatch(one.driver, (probe) => probe.put("a", "old"));
  // The library would drop its snapshot with a timer: as if nothing but answers came for as long as this takes.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  assert.equal(String(await inOneBatch(one.driver, (probe) => probe.get("a"))), "old");
  await inOneBatch(two.driver, (probe) => probe.put("a", "new"));
  const found = await inOneBatch(one.driver, (probe) => Promise.all([probe.get("a"), probe.contains("a")]));
  assert.deepEqual([String(found[0]), found[1]], ["new", true]);
  await inOneBatch(two.driver, (probe) => probe.delete("a"));
  assert.equal(await inOneBatch(one.driver, (probe) => probe.contains("a")), false);
});

test("engines with different key prefixes share a directory and do not see each other's keys", async (t) => {
  const path = await temporaryFolder(t);
  const one = await openLmdb(t, path, { keyPrefix: "one:" });
  const two = await openLmdb(t, path, { keyPrefix: "two:" });
  await inOneBatch(one.driver, (probe) => probe.put("a", "1"));
  await inOneBatch(two.driver, (probe) => probe.put("a", "2"));
  assert.equal((await inOneBatch(one.driver, (probe) => probe.get("a")))?.toString(), "1");
  assert.equal(await two.driver.clear(""), 1);
  assert.equal((await inOneBatch(one.driver, (probe) => probe.get("a")))?.toString(), "1");
});

test("a scan without any prefix begins with the smallest possible key", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t), { keyPrefix: "" });
  await inOneBatch(driver, (probe) => Promise.all([probe.put("\u0000", "1"), probe.put("\u0001", "2")]));
  const keys: string[] = [];
  for await (const page of driver.scan("", false)) keys.push(...page.keys);
  assert.deepEqual(keys, ["\u0000", "\u0001"]);
});

test("keys of the longest allowed length work, with a lifetime too, and expire", async (t) => {
  const { driver, clock } = await openLmdb(t, await temporaryFolder(t));
  const longest = "k".repeat(driver.capabilities.maxKeyBytes - "state:".length);
  assert.equal(driver.capabilities.maxKeyBytes, 1978);
  await inOneBatch(driver, (probe) => probe.put(longest, "1", 500));
  assert.equal((await inOneBatch(driver, (probe) => probe.get(longest)))?.toString(), "1");
  clock.advance(60_000);
  await untilEntries(driver, "0");
});

test("a key that is too long fails alone and is not applied", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  const [tooLong, fine] = await inOneBatch(driver, (probe) =>
    Promise.allSettled([probe.put("k".repeat(1973), "1"), probe.put("fine", "1")]),
  );
  assert.equal(tooLong.status === "rejected" && tooLong.reason.outcome, "not-applied");
  assert.equal(fine.status, "fulfilled");
  assert.equal(await inOneBatch(driver, (probe) => probe.contains("fine")), true);
});

test("large values come back whole, small ones after them too", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  const large = Buffer.alloc(5_000_000, "large");
  await inOneBatch(driver, (probe) => Promise.all([probe.put("large", large), probe.put("small", "small")]));
  const [first, small] = await inOneBatch(driver, (probe) => Promise.all([probe.get("large"), probe.get("small")]));
  assert.ok(first?.equals(large));
  assert.equal(small?.toString(), "small");
});

test("the sweep frees expired records and keeps those whose lifetime was prolonged or removed", async (t) => {
  const { driver, clock } = await openLmdb(t, await temporaryFolder(t));
  await inOneBatch(driver, (probe) => {
    for (let i = 0; i < 1500; i++) void probe.put(`passing ${i}`, "1", 1000 + i);
    void probe.put("prolonged", "1", 1000);
    void probe.put("kept", "1", 1000);
    return probe.put("lasting", "1");
  });
  await inOneBatch(driver, (probe) =>
    Promise.all([probe.put("prolonged", "2", 1_000_000), probe.compareAndSwap("kept", "1", "2")]),
  );
  assert.equal((await driver.serverInfo()).entries, "1503");
  clock.advance(60_000);
  await untilEntries(driver, "3");
  clock.advance(2_000_000);
  await untilEntries(driver, "2");
});

test("a read of an untouched key does not wait for the writes under way", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  await inOneBatch(driver, (probe) => probe.put("calm", "1"));
  const order: string[] = [];
  const writing = inOneBatch(driver, (probe) => probe.put("busy", "2")).then(() => order.push("put"));
  const behind = inOneBatch(driver, (probe) => probe.get("busy")).then((value) => order.push(`busy ${value}`));
  const beside = inOneBatch(driver, (probe) => probe.get("calm")).then((value) => order.push(`calm ${value}`));
  await Promise.all([writing, behind, beside]);
  assert.deepEqual(order, ["calm 1", "put", "busy 2"]);
});

test("closing fails what has not begun as not applied", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  const put = inOneBatch(driver, (probe) => probe.put("a", "1"));
  const rejected = assert.rejects(put, { code: "CLOSED", outcome: "not-applied" });
  await driver.close();
  await rejected;
});

test("a path that cannot be a directory gives a ConnectionError that names it", async (t) => {
  const path = join(await temporaryFolder(t), "file");
  await writeFile(path, "");
  await assert.rejects(createLmdbDriver({ path }).open(driverContext()), (error: Error & { code?: string }) => {
    assert.equal(error.code, "CONNECTION");
    assert.match(error.message, /file/);
    return true;
  });
});

/** The sweep runs once a second by itself; this waits for its effect. */
async function untilEntries(driver: { serverInfo(): Promise<Record<string, string>> }, entries: string): Promise<void> {
  for (;;) {
    if ((await driver.serverInfo()).entries === entries) return;
    await delay(20);
  }
}

test("ten thousand puts called together share a few commits, whatever batching.maxInFlight says", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await createEngine({ backend: `lmdb:${path}`, batching: { maxInFlight: 1 } });
  t.after(() => engine.close());
  await engine.put("settled", "1");
  const transaction = async () => Number((await engine.serverInfo()).lastTransaction);
  const before = await transaction();
  await Promise.all(Array.from({ length: 10_000 }, (_, i) => engine.put(`key ${i}`, `value ${i}`)));
  const commits = (await transaction()) - before;
  assert.ok(commits <= 4, `${commits} commits`);
  const values = await engine.batchGet(["key 0", "key 5000", "key 9999"]);
  assert.deepEqual(values.map(String), ["value 0", "value 5000", "value 9999"]);
});

test("values of every length come back as they were, with and without a lifetime, in one batch of many", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  const lengths = [...Array.from({ length: 70 }, (_, i) => i), 1015, 1016, 1017, 1023, 1024, 1025, 5000, 70_000];
  const valueAt = (length: number) => Buffer.alloc(length, length % 251);
  await inOneBatch(driver, (probe) =>
    Promise.all(lengths.flatMap((n) => [probe.put(`p${n}`, valueAt(n)), probe.put(`e${n}`, valueAt(n), 60_000)])),
  );
  const found = await inOneBatch(driver, (probe) =>
    Promise.all(lengths.flatMap((n) => [probe.get(`p${n}`), probe.get(`e${n}`), probe.get(`none${n}`)])),
  );
  lengths.forEach((n, i) => {
    assert.deepEqual(found.slice(3 * i, 3 * i + 3), [valueAt(n), valueAt(n), null], `length ${n}`);
  });
});

test("more small values than are checked at once come back as they were", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  const names = Array.from({ length: 3000 }, (_, i) => `key ${i}`);
  await inOneBatch(driver, (probe) => Promise.all(names.map((name) => probe.put(name, name.repeat(20)))));
  const values = await inOneBatch(driver, (probe) => Promise.all(names.map((name) => probe.get(name))));
  assert.deepEqual(
    values.map(String),
    names.map((name) => name.repeat(20)),
  );
});

test("prefixes longer than any key find nothing and clear nothing", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  const longest = "k".repeat(driver.capabilities.maxKeyBytes - "state:".length);
  await inOneBatch(driver, (probe) => Promise.all([probe.put(longest, "1"), probe.put("a", "1")]));
  const keysOf = async (prefix: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const page of driver.scan(prefix, false)) keys.push(...page.keys);
    return keys;
  };
  assert.deepEqual(await keysOf(longest), [longest]);
  for (const prefix of [`${longest}k`, "k".repeat(4096), "€".repeat(4096)]) {
    assert.deepEqual(await keysOf(prefix), []);
    assert.equal(await driver.clear(prefix), 0);
  }
  assert.deepEqual(await keysOf(""), ["a", longest]);
});

test("what the server is asked for is read before a close that follows takes effect", async (t) => {
  const { driver } = await openLmdb(t, await temporaryFolder(t));
  const info = driver.serverInfo();
  await driver.close();
  assert.equal((await info).server, "lmdb");
  // The library's timer for the snapshot of what was read comes round.
  await delay(20);
});

for (const [what, spoil] of [
  ["memory was transferred", (value) => void structuredClone(value.buffer, { transfer: [value.buffer] })],
  ["memory shrank", (value) => value.buffer.resize(4)],
] as const satisfies readonly (readonly [string, (value: Resizable) => void])[]) {
  test(`a put whose ${what} after the call fails alone, is not applied then or later, and harms no neighbour`, async (t) => {
    const { driver } = await openLmdb(t, await temporaryFolder(t));
    await inOneBatch(driver, (probe) => Promise.all([probe.put("a", "old"), probe.put("spoilt", "old")]));
    const ends = await inOneBatch(driver, (probe) => {
      const value = new Uint8Array(Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]), 0, 8) as Resizable;
      const puts = [
        probe.put("a", "new"),
        probe.put("spoilt", value),
        probe.put("b", "new"),
        probe.put("c", "1", 9000),
      ];
      spoil(value);
      return Promise.allSettled(puts);
    });
    assert.deepEqual(
      ends.map((end) => (end.status === "rejected" ? [end.reason.outcome, end.reason.key] : "done")),
      ["done", ["not-applied", "spoilt"], "done", "done"],
    );
    const read = () =>
      inOneBatch(driver, (probe) => Promise.all([probe.get("a"), probe.get("b"), probe.get("spoilt")]));
    assert.deepEqual((await read()).map(String), ["new", "new", "old"]);
    await inOneBatch(driver, (probe) => probe.delete("a"));
    await inOneBatch(driver, (probe) => probe.put("d", "1"));
    assert.deepEqual((await read()).map(String), ["null", "new", "old"]);
  });
}

interface Resizable extends Uint8Array {
  readonly buffer: ArrayBuffer & { resize(bytes: number): void };
}
