import assert from "node:assert/strict";
import { test } from "node:test";
import { createStorage, type Driver, restoreSnapshot, type Storage, type StorageValue, snapshot } from "unstorage";
import { type MillraceDriver, millraceDriver } from "../../../src/adapters/unstorage.js";
import type { Engine } from "../../../src/index.js";
import { onEveryStore, type Store, type TestScope } from "../../support/stores.js";

/*
 * unstorage's driver tests (test/drivers/utils.ts of its repository) are not published with the package. What they
 * check of every driver is checked here, in tests of our own.
 */

// The types of both sides fit: a storage takes the driver as it is.
const fitsUnstorage = (driver: MillraceDriver): Driver => driver;

async function open(t: TestScope, store: Store): Promise<{ engine: Engine; storage: Storage }> {
  const engine = await (await store.place(t)).open();
  return { engine, storage: createStorage({ driver: fitsUnstorage(millraceDriver({ engine })) }) };
}

await onEveryStore("unstorage driver", (store) => {
  const given = (name: string, run: (storage: Storage, engine: Engine) => Promise<void>): void => {
    test(`${store.name}: ${name}`, async (t) => {
      const { storage, engine } = await open(t, store);
      await run(storage, engine);
    });
  };

  given("an empty storage has no items and no keys, and may be cleared", async (storage) => {
    assert.equal(await storage.hasItem("s1:a"), false);
    assert.equal(await storage.getItem("s2:a"), null);
    assert.deepEqual(await storage.getKeys(), []);
    await storage.clear();
    await storage.clear();
    assert.deepEqual(await storage.getKeys(), []);
  });

  given("a snapshot is restored, and taken again", async (storage) => {
    await restoreSnapshot(storage, { initial: "works", "deep:er": { a: 1 } });
    assert.equal(await storage.getItem("initial"), "works");
    assert.deepEqual({ ...(await snapshot(storage, "")) }, { initial: "works", "deep:er": { a: 1 } });
  });

  given("items are set, found and read, whatever query their key has", async (storage) => {
    await storage.setItem("s1:a", "data");
    await storage.setItem("s3:a?q=1", "data");
    assert.equal(await storage.hasItem("s1:a"), true);
    assert.equal(await storage.getItem("s1:a"), "data");
    assert.equal(await storage.getItem("s3:a?q=2"), "data");
  });

  given("keys are listed, those below a base, and to a depth", async (storage) => {
    const keys = ["top", "one:under", "one:below", "one:two:x", "one:two:y", "oneself:z"];
    for (const key of keys) await storage.setItem(key, "data");
    const sorted = async (base?: string, maxDepth?: number): Promise<string[]> =>
      (await storage.getKeys(base, maxDepth === undefined ? {} : { maxDepth })).sort();
    assert.deepEqual(await sorted(), [...keys].sort());
    assert.deepEqual(await sorted("one"), ["one:below", "one:two:x", "one:two:y", "one:under"]);
    assert.deepEqual(await sorted(undefined, 0), ["top"]);
    assert.deepEqual(await sorted(undefined, 1), ["one:below", "one:under", "oneself:z", "top"]);
    assert.deepEqual(await sorted("one", 2), ["one:below", "one:two:x", "one:two:y", "one:under"]);
  });

  given("objects, primitives, falsy ones too, and what has toJSON come back as JSON makes them", async (storage) => {
    const texts = { toJSON: () => "SERIALIZED" };
    for (const value of [{ json: "works" }, [1, [2]], true, false, 0, -1.5, ""]) {
      await storage.setItem("data:x.json", value);
      assert.deepEqual(await storage.getItem("data:x.json"), value);
    }
    await storage.setItem("/data/x.json", texts as never);
    assert.equal(await storage.getItem("/data/x.json"), "SERIALIZED");
    class Opaque {}
    await assert.rejects(storage.setItem("data:bad.json", new Opaque() as never), /Cannot stringify value/);
    assert.equal(await storage.hasItem("data:bad.json"), false);
  });

  given("raw items are bytes, whichever view they are given in", async (storage) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    for (const value of [bytes, bytes.buffer, new DataView(bytes.buffer), Buffer.from(bytes)]) {
      await storage.setItemRaw("data:raw.bin", value);
      const read: Buffer | null = await storage.getItemRaw("data:raw.bin");
      assert.deepEqual(read, Buffer.from(bytes));
    }
    assert.equal(await storage.getItemRaw("data:none.bin"), null);
    await assert.rejects(storage.setItemRaw("data:raw.bin", { a: 1 }), { reason: "ERR_VALUE_TYPE" });
  });

  given("many items are set and read in one call, absent ones as null", async (storage, engine) => {
    await storage.setItems<StorageValue>([
      { key: "t:1", value: "one" },
      { key: "t:2", value: { two: 2 }, options: { ttl: 60 } },
    ]);
    const before = engine.stats().batches;
    assert.deepEqual(await storage.getItems([{ key: "t:1" }, "t:2?q=1", "t:3"]), [
      { key: "t:1", value: "one" },
      { key: "t:2", value: { two: 2 } },
      { key: "t:3", value: null },
    ]);
    assert.equal(engine.stats().batches - before, 1);
    assert.ok((await engine.ttl("t:2"))! <= 60_000);
    assert.equal(await engine.ttl("t:1"), Number.POSITIVE_INFINITY);
  });

  given("calls that are under way together share batches", async (storage, engine) => {
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    const before = engine.stats().batches;
    await Promise.all(keys.map((key) => storage.setItem(key, key)));
    assert.deepEqual(await Promise.all(keys.map((key) => storage.getItem(key))), keys);
    assert.ok(engine.stats().batches - before <= 12, `${engine.stats().batches - before} batches for 200 calls`);
  });

  given("an item is removed, with its meta data when asked", async (storage) => {
    await storage.setItem("s1:a", "data");
    await storage.setMeta("s1:a", { note: "here" });
    assert.deepEqual({ ...(await storage.getMeta("s1:a")) }, { note: "here" });
    await storage.removeItem("s1:a", { removeMeta: true });
    assert.equal(await storage.hasItem("s1:a"), false);
    assert.equal(await storage.getItem("s1:a"), null);
    assert.deepEqual({ ...(await storage.getMeta("s1:a")) }, {});
  });

  given("clear removes what is below a base, or all", async (storage) => {
    for (const key of ["s1:a", "s1:b", "s2:a"]) await storage.setItem(key, "data");
    // A storage gives a driver no base below its mount, so it is asked for here.
    await storage.getMount("").driver.clear?.("s1:", {});
    assert.deepEqual(await storage.getKeys(), ["s2:a"]);
    await storage.clear();
    assert.deepEqual(await storage.getKeys(), []);
  });

  test(`${store.name}: a driver with a base and a ttl keeps to them`, async (t) => {
    const engine = await (await store.place(t)).open();
    const storage = createStorage({ driver: millraceDriver({ engine, base: "app:", ttl: 30 }) });
    await engine.put("other", "1");
    await storage.setItem("a", "1");
    await storage.setItem("b", "1", { ttl: 90 });
    await storage.setItem("c", "1", { ttl: 0 });
    assert.deepEqual((await engine.listKeys("app:")).sort(), ["app:a", "app:b", "app:c"]);
    assert.ok((await engine.ttl("app:a"))! <= 30_000);
    const { ttl } = (await storage.getMeta("b")) as { ttl: number };
    assert.ok(ttl > 30 && ttl <= 90, String(ttl));
    assert.equal(await engine.ttl("app:c"), Number.POSITIVE_INFINITY);
    assert.deepEqual((await storage.getKeys()).sort(), ["a", "b", "c"]);
    await storage.clear();
    assert.deepEqual(await engine.listKeys(), ["other"]);
  });

  test(`${store.name}: storages mounted beside each other have their keys to themselves`, async (t) => {
    const { storage, engine } = await open(t, store);
    storage.mount("cache", millraceDriver({ engine, base: "mounted" }));
    await storage.setItem("cache:a", "1");
    await storage.setItem("plain", "2");
    assert.deepEqual((await engine.listKeys()).sort(), ["mounted:a", "plain"]);
    assert.equal(await storage.getItem("cache:a"), 1);
  });
});

test("a driver given a URL opens its engine with the first call, and closes it when it is disposed", async () => {
  const driver = millraceDriver({ engine: "memory:" });
  const storage = createStorage({ driver });
  await storage.setItem("a", "x");
  assert.equal(await storage.getItem("a"), "x");
  await storage.dispose();
  await assert.rejects(async () => driver.getItem("a"), { code: "CLOSED" });
});

test("an option that the driver does not know is refused, before a store of its own is opened", () => {
  assert.throws(() => millraceDriver({ url: "redis://127.0.0.1" } as never), {
    reason: "ERR_CALL_OPTION",
    message: /"url"/,
  });
  millraceDriver({ driver: "millrace/unstorage", engine: "memory:" } as never);
});

test("a raw item whose memory has been given away is a typed error", async () => {
  const driver = millraceDriver({ engine: "memory:" });
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  for (const item of [bytes, bytes.buffer]) {
    await assert.rejects(driver.setItemRaw("k", item), { code: "INVALID_ARGUMENT", reason: "ERR_VALUE_UNSTABLE" });
  }
  await driver.dispose();
});

test("disposing a driver leaves an engine that it was given open", async (t) => {
  const { engine, storage } = await open(t, (await import("../../support/stores.js")).memoryStore);
  await storage.setItem("a", "x");
  await storage.dispose();
  assert.equal(String(await engine.get("a")), "x");
});
