import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import Keyv from "keyv";
import { KeyvStore } from "../../../src/adapters/keyv.js";
import type { Engine } from "../../../src/index.js";
import { memoryStore, onEveryStore, type TestScope } from "../../support/stores.js";
import { suiteTest } from "./suite-runner.js";

async function opened(t: TestScope): Promise<Engine> {
  return (await memoryStore.place(t)).open();
}

await onEveryStore("Keyv adapter", (store) => {
  describe(`Keyv's own suites on ${store.name}`, () => {
    let engine: Engine;
    const cleanups: (() => Promise<void> | void)[] = [];
    before(async () => {
      engine = await (await store.place({ after: (clean) => void cleanups.unshift(clean) })).open();
    });
    after(async () => {
      for (const clean of cleanups) await clean();
    });
    const open = (): KeyvStore => new KeyvStore(engine);
    keyvTestSuite(suiteTest() as never, Keyv, open);
    keyvIteratorTests(suiteTest() as never, Keyv, open);
  });

  test(`${store.name}: calls through Keyv share batches`, async (t) => {
    const engine = await (await store.place(t)).open();
    const keyv = new Keyv({ store: new KeyvStore(engine) });
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    const before = engine.stats().batches;
    await Promise.all(keys.map((key) => keyv.set(key, { key })));
    assert.deepEqual(
      await Promise.all(keys.map((key) => keyv.get(key))),
      keys.map((key) => ({ key })),
    );
    assert.deepEqual(
      await keyv.getMany(keys),
      keys.map((key) => ({ key })),
    );
    // On Redis a batch leaves as soon as 32 requests wait.
    assert.ok(engine.stats().batches - before <= 20, `${engine.stats().batches - before} batches for 300 calls`);
  });

  test(`${store.name}: lifetimes reach the store, and the many-key calls tell what happened to each`, async (t) => {
    const engine = await (await store.place(t)).open();
    const keyv = new Keyv({ store: new KeyvStore(engine), namespace: "n" });
    await keyv.set("a", 1, 60_000);
    await keyv.set("b", 1, 1e15);
    assert.ok((await engine.ttl("n:a"))! <= 60_000);
    assert.equal(await engine.ttl("n:b"), Number.POSITIVE_INFINITY);
    const entries = ["c", "d"].map((key) => ({ key, value: key, ttl: 60_000.5 }));
    assert.deepEqual(await keyv.setMany(entries), [true, true]);
    assert.ok((await engine.ttl("n:d"))! <= 60_001);
    assert.deepEqual(await keyv.hasMany(["a", "x"]), [true, false]);
    assert.equal(await keyv.deleteMany(["a", "b"]), true);
    assert.equal(await keyv.deleteMany(["c", "x"]), false);
    await keyv.set("d", 2, -1);
    assert.equal(await engine.contains("n:d"), false);
  });
});

test("without Keyv's prefix, namespaces have their keys to themselves all the same", async (t) => {
  const engine = await opened(t);
  const open = (namespace: string): Keyv => new Keyv({ store: new KeyvStore(engine), namespace, useKeyPrefix: false });
  const [a, b] = [open("a"), open("b")];
  await a.set("k", 1);
  await b.setMany([{ key: "k", value: 2 }]);
  assert.deepEqual(await Promise.all([a.get("k"), b.get("k"), a.has("k")]), [1, 2, true]);
  assert.deepEqual(await b.getMany(["k", "none"]), [2, undefined]);
  assert.deepEqual(await b.hasMany(["k", "none"]), [true, false]);
  assert.deepEqual((await engine.listKeys()).sort(), ["a:k", "b:k"]);
  await a.clear();
  assert.deepEqual(await engine.listKeys(), ["b:k"]);
  assert.equal(await b.delete(["k"]), true);
  assert.equal(await engine.count(), 0);
});

test("a lifetime of null is none, and takes nothing away", async (t) => {
  const engine = await opened(t);
  const adapter = new KeyvStore(engine);
  assert.equal(await adapter.set("k", "v", null), true);
  assert.deepEqual(await adapter.setMany([{ key: "l", value: "w", ttl: null }]), [true]);
  assert.deepEqual(await adapter.getMany(["k", "l"]), ["v", "w"]);
});

test("an adapter given a URL opens its engine with the first call and closes it when it is disconnected", async () => {
  const adapter = new KeyvStore("memory:");
  const keyv = new Keyv({ store: adapter });
  await keyv.set("a", 1);
  assert.equal(await keyv.get("a"), 1);
  await keyv.disconnect();
  await assert.rejects(adapter.get("keyv:a"), { code: "CLOSED" });
});

test("an engine that cannot be opened is an error of each call, which Keyv hands on as an event", async () => {
  const keyv = new Keyv({ store: new KeyvStore({ backend: "nothing:" }) });
  const errors: unknown[] = [];
  keyv.on("error", (error) => void errors.push(error));
  assert.equal(await keyv.set("a", 1), false);
  assert.equal(await keyv.set("a", 1), false);
  assert.deepEqual(
    errors.map((error) => (error as { code: string }).code),
    ["CONFIG", "CONFIG"],
  );
});
