import assert from "node:assert/strict";
import { test } from "node:test";
import type { Engine } from "../../src/index.js";
import type { Store } from "../support/stores.js";
import { textAt } from "./single-key-calls.js";

const MINUTE_MS = 60_000;

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function sortedKeys(engine: Engine, prefix?: string): Promise<string[]> {
  return (await engine.listKeys(prefix)).sort();
}

/** batch*, keys, entries, listKeys, count, clear, namespace. */
export function testManyKeyCalls(store: Store): void {
  test(`${store.name}: batchGet answers in the order of the keys, duplicates and absent ones included`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut([
      ["a", "1"],
      ["b", "2"],
    ]);
    const values = await engine.batchGet(["b", "absent", "a", "b"]);
    assert.deepEqual(
      values.map((value) => value?.toString() ?? null),
      ["2", null, "1", "2"],
    );
    assert.deepEqual(await engine.batchGet([]), []);
    assert.deepEqual(await engine.batchGet(new Set(["a"])), [Buffer.from("1")]);
  });

  test(`${store.name}: batchPut takes any iterable, the last of equal keys wins`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut(new Map([["a", "1"]]), { ttlMs: MINUTE_MS });
    assert.ok((await engine.ttl("a"))! <= MINUTE_MS);
    await engine.batchPut([
      ["a", "2"],
      ["b", "1"],
      ["a", "3"],
    ]);
    assert.equal(await textAt(engine, "a"), "3");
    assert.equal(await engine.ttl("a"), Number.POSITIVE_INFINITY);
    await engine.batchPut([]);
  });

  test(`${store.name}: batchDelete counts what existed, a key named twice once`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut([
      ["a", "1"],
      ["b", "1"],
      ["c", "1"],
    ]);
    assert.equal(await engine.batchDelete(["a", "absent", "b", "a"]), 2);
    assert.equal(await engine.batchDelete([]), 0);
    assert.deepEqual(await sortedKeys(engine), ["c"]);
  });

  test(`${store.name}: thousands of entries go through one call`, async (t) => {
    const engine = await (await store.place(t)).open();
    const names = Array.from({ length: 5000 }, (_, i) => `key ${i}`);
    await engine.batchPut(names.map((name) => [name, name.repeat(3)] as const));
    const values = await engine.batchGet(names);
    for (const [index, name] of names.entries()) assert.equal(values[index]?.toString(), name.repeat(3));
    assert.equal(await engine.count("key "), 5000);
    assert.equal(await engine.batchDelete(names), 5000);
    assert.equal(await engine.count(), 0);
  });

  test(`${store.name}: one bad entry refuses the whole batch and names its place`, async (t) => {
    const engine = await (await store.place(t)).open();
    const entries = Array.from({ length: 1000 }, (_, i) => [`key ${i}`, "1"] as [string, string]);
    entries[417] = ["", "1"];
    await assert.rejects(engine.batchPut(entries), {
      code: "INVALID_ARGUMENT",
      reason: "ERR_BATCH_ENTRY",
      message: /entry 417/,
      outcome: "not-applied",
    });
    assert.equal(await engine.count(), 0);
    await assert.rejects(engine.batchGet(["a", 5 as never]), { reason: "ERR_BATCH_ENTRY", message: /entry 1/ });
  });

  test(`${store.name}: keys, entries, listKeys and count agree on a prefix and leave out what has expired`, async (t) => {
    const engine = await (await store.place(t)).open();
    const expected = new Map<string, string>();
    for (let i = 0; i < 1200; i++) expected.set(`user:${i}`, `value ${i}`);
    await engine.batchPut(expected);
    await engine.put("usher", "1");
    await engine.put("user:gone", "1", { ttlMs: 1 });
    while (await engine.contains("user:gone"));
    const names = [...expected.keys()].sort();
    assert.deepEqual((await collect(engine.keys("user:"))).sort(), names);
    assert.deepEqual(await sortedKeys(engine, "user:"), names);
    const entries = new Map((await collect(engine.entries("user:"))).map(([key, value]) => [key, value.toString()]));
    assert.deepEqual(entries, expected);
    assert.equal(await engine.count("user:"), 1200);
    assert.equal(await engine.count(), 1201);
    assert.equal(await engine.count("nothing"), 0);
    assert.deepEqual(await engine.listKeys("nothing"), []);
  });

  test(`${store.name}: scans see the calls made before them`, async (t) => {
    const engine = await (await store.place(t)).open();
    void engine.put("a", "1");
    void engine.increment("b");
    assert.equal(await engine.count(), 2);
    void engine.delete("a");
    assert.deepEqual(await engine.listKeys(), ["b"]);
    void engine.compareAndSwap("b", "1", null);
    assert.deepEqual(await collect(engine.entries()), []);
    void engine.put("c", "1");
    assert.deepEqual(await collect(engine.keys()), ["c"]);
  });

  test(`${store.name}: a scan may be left early, and others go on beside it`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut(Array.from({ length: 2000 }, (_, i) => [`key ${i}`, "1"] as const));
    for await (const key of engine.keys()) {
      assert.ok(await engine.contains(key));
      break;
    }
    const [all, some] = await Promise.all([engine.listKeys(), engine.listKeys("key 1")]);
    assert.equal(all.length, 2000);
    assert.equal(some.length, 1111);
  });

  test(`${store.name}: characters of patterns stand for themselves in keys and prefixes`, async (t) => {
    const engine = await (await store.place(t)).open();
    const names = ["a*b", "a?b", "a[b]", "a\\b", "axb", "a[b", "a^b", "a{b}", "a-b", "*", "a*b*c"];
    await engine.batchPut(names.map((name) => [name, name] as const));
    for (const prefix of ["a*", "a?", "a[", "a\\", "a[b]", "*", "a^", "a{", "a*b*"]) {
      const expected = names.filter((name) => name.startsWith(prefix)).sort();
      assert.deepEqual(await sortedKeys(engine, prefix), expected, prefix);
    }
    assert.equal(await engine.clear("a*"), 2);
    assert.equal(await engine.clear("a["), 2);
    assert.equal(await engine.namespace("*").count(), 1);
    assert.equal(await engine.count(), names.length - 4);
  });

  test(`${store.name}: binary keys come out of scans in a form that reads them again`, async (t) => {
    const engine = await (await store.place(t)).open();
    const keys = [Buffer.of(0xff), Buffer.of(0xc3, 0x28), Buffer.of(0, 0xfe, 10), Buffer.from("a:\xff", "latin1")];
    for (const [index, key] of keys.entries()) await engine.put(key, `${index}`);
    const seen: string[] = [];
    for await (const [key, value] of engine.entries()) {
      assert.equal(await textAt(engine, key), value.toString());
      seen.push(value.toString());
    }
    assert.deepEqual(seen.sort(), ["0", "1", "2", "3"]);
    const inNamespace = await engine.namespace("a:").listKeys();
    assert.equal(inNamespace.length, 1);
    assert.equal(await textAt(engine.namespace("a:"), inNamespace[0]!), "3");
    assert.equal(await textAt(engine.namespace("a:"), Buffer.of(0xff)), "3");
    assert.equal(await engine.clear("a:"), 1);
    assert.equal(await engine.count(), 3);
  });

  test(`${store.name}: a namespace is a prefix, nested or not`, async (t) => {
    const engine = await (await store.place(t)).open();
    const outer = engine.namespace("a:");
    const inner = outer.namespace("b:");
    await inner.put("c", "1");
    assert.equal(await textAt(outer, "b:c"), "1");
    assert.equal(await textAt(engine, "a:b:c"), "1");
    assert.equal(await textAt(engine.namespace("a:b:"), "c"), "1");
    assert.deepEqual(await inner.listKeys(), ["c"]);
    assert.deepEqual(await outer.listKeys(), ["b:c"]);
    await engine.put("a", "not in it");
    assert.equal(await outer.count(), 1);
    assert.equal(await outer.increment("n"), 1n);
    assert.equal(await engine.increment("a:n"), 2n);
    assert.equal(await outer.getAndDelete("b:c").then(String), "1");
  });

  test(`${store.name}: calls through different views of one key keep their order`, async (t) => {
    const engine = await (await store.place(t)).open();
    const view = engine.namespace("a:");
    const answers: Promise<unknown>[] = [];
    for (let round = 0; round < 30; round++) {
      void (round % 2 === 0 ? view.put("b", `${round}`) : engine.put("a:b", `${round}`));
      answers.push(round % 3 === 0 ? textAt(view, "b") : textAt(engine, "a:b"));
    }
    assert.deepEqual(
      await Promise.all(answers),
      Array.from({ length: 30 }, (_, round) => `${round}`),
    );
  });

  test(`${store.name}: clear removes its namespace alone and counts it`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut(Array.from({ length: 700 }, (_, i) => [`a:${i}`, "1"] as const));
    await engine.put("a", "1");
    await engine.put("b:1", "1");
    assert.equal(await engine.namespace("a:").clear("6"), 111);
    assert.equal(await engine.namespace("a:").clear(), 589);
    assert.deepEqual(await sortedKeys(engine), ["a", "b:1"]);
    assert.equal(await engine.clear(), 2);
    assert.equal(await engine.clear(), 0);
  });

  test(`${store.name}: clear keeps its place among the calls`, async (t) => {
    const engine = await (await store.place(t)).open();
    void engine.put("a", "1");
    void engine.put("b", "1");
    const first = engine.clear();
    void engine.put("a", "2");
    const read = textAt(engine, "a");
    const second = engine.clear();
    const gone = engine.get("a");
    assert.deepEqual(await Promise.all([first, read, second, gone]), [2, "2", 1, null]);
  });

  test(`${store.name}: clear without any prefix is refused when it would empty the store`, async (t) => {
    const engine = await (await store.place(t)).open({ keyPrefix: "" });
    const own = `own-${process.pid}:`;
    await engine.put(`${own}a`, "1");
    await assert.rejects(engine.clear(), { code: "INVALID_ARGUMENT", reason: "ERR_NAMESPACE", outcome: "not-applied" });
    assert.equal(await engine.contains(`${own}a`), true);
    assert.equal(await engine.clear(own), 1);
    await engine.namespace(own).put("a", "1");
    assert.equal(await engine.namespace(own).clear(), 1);
  });

  test(`${store.name}: a prefix that is none is refused, and nothing is scanned or deleted`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "1");
    const drained = async (entries: AsyncIterable<unknown>): Promise<void> => {
      for await (const _ of entries);
    };
    for (const prefix of [5, null, Buffer.from("a"), "\ud800", "x".repeat(4097)] as unknown as string[]) {
      const calls = [
        () => engine.listKeys(prefix),
        () => engine.count(prefix),
        () => engine.clear(prefix),
        () => drained(engine.keys(prefix)),
        () => drained(engine.entries(prefix)),
      ];
      for (const call of calls)
        await assert.rejects(call(), { code: "INVALID_ARGUMENT", reason: "ERR_PREFIX", outcome: "not-applied" });
    }
    assert.equal(await engine.count(), 1);
  });

  if (store.isShared) {
    test(`${store.name}: engines with different key prefixes do not see each other's keys`, async (t) => {
      const place = await store.place(t);
      const one = await place.open({ keyPrefix: `${place.keyPrefix}one:` });
      const two = await place.open({ keyPrefix: `${place.keyPrefix}two:` });
      await one.put("a", "1");
      await two.put("a", "2");
      assert.equal(await textAt(one, "a"), "1");
      assert.equal(await one.clear(), 1);
      assert.equal(await textAt(two, "a"), "2");
    });
  }
}
