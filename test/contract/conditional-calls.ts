import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store, StoreOptions } from "../support/stores.js";
import { until } from "../support/until.js";
import { textAt } from "./single-key-calls.js";

const MINUTE_MS = 60_000;
const LONG = "a value of three kilobytes ".repeat(120);

/** setIfNotExists, getAndDelete, compareAndSwap, increment, transaction. */
export function testConditionalCalls(store: Store): void {
  test(`${store.name}: setIfNotExists writes an absent key with its lifetime and leaves a present one`, async (t) => {
    const engine = await (await store.place(t)).open();
    assert.equal(await engine.setIfNotExists("a", "one", { ttlMs: MINUTE_MS }), true);
    assert.equal(await engine.setIfNotExists("a", "two"), false);
    assert.equal(await textAt(engine, "a"), "one");
    assert.ok((await engine.ttl("a"))! <= MINUTE_MS);
    assert.equal(await engine.setIfNotExists("b", LONG), true);
    assert.equal(await textAt(engine, "b"), LONG);
    assert.equal(await engine.ttl("b"), Number.POSITIVE_INFINITY);
  });

  test(`${store.name}: setIfNotExists writes again once the lifetime is over`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.setIfNotExists("a", "one", { ttlMs: 20 });
    await until("the key can be set again", () => engine.setIfNotExists("a", "two"));
    assert.equal(await textAt(engine, "a"), "two");
  });

  test(`${store.name}: of many setIfNotExists at once exactly the first succeeds`, async (t) => {
    const engine = await (await store.place(t)).open();
    const attempts = await Promise.all(Array.from({ length: 50 }, (_, i) => engine.setIfNotExists("a", `${i}`)));
    assert.deepEqual(attempts, [true, ...new Array<boolean>(49).fill(false)]);
    assert.equal(await textAt(engine, "a"), "0");
  });

  test(`${store.name}: getAndDelete hands the value to exactly one caller`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", LONG);
    const taken = await Promise.all([engine.getAndDelete("a"), engine.getAndDelete("a"), engine.getAndDelete("a")]);
    assert.deepEqual(
      taken.map((value) => value?.toString()),
      [LONG, undefined, undefined],
    );
    assert.equal(await engine.contains("a"), false);
  });

  test(`${store.name}: compareAndSwap takes null for absence on either side`, async (t) => {
    const engine = await (await store.place(t)).open();
    assert.equal(await engine.compareAndSwap("a", null, null), true, "absent and to be absent");
    assert.equal(await engine.compareAndSwap("a", "one", null), false);
    assert.equal(await engine.compareAndSwap("a", "one", "two"), false);
    assert.equal(await engine.contains("a"), false);
    assert.equal(await engine.compareAndSwap("a", null, "one", { ttlMs: MINUTE_MS }), true);
    assert.ok((await engine.ttl("a"))! <= MINUTE_MS);
    assert.equal(await engine.compareAndSwap("a", null, "two"), false);
    assert.equal(await engine.compareAndSwap("a", null, null), false);
    assert.equal(await engine.compareAndSwap("a", "two", "three"), false);
    assert.equal(await textAt(engine, "a"), "one");
    assert.equal(await engine.compareAndSwap("a", "one", "two"), true);
    assert.equal(await engine.ttl("a"), Number.POSITIVE_INFINITY);
    assert.equal(await engine.compareAndSwap("a", Buffer.from("two"), null), true);
    assert.equal(await engine.contains("a"), false);
  });

  test(`${store.name}: compareAndSwap tells empty from absent and a prefix from the whole`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "");
    assert.equal(await engine.compareAndSwap("a", null, "x"), false);
    assert.equal(await engine.compareAndSwap("a", "", "xy"), true);
    assert.equal(await engine.compareAndSwap("a", "x", "z"), false);
    assert.equal(await engine.compareAndSwap("a", "xyz", "z"), false);
    assert.equal(await engine.compareAndSwap("a", "xy", ""), true);
    assert.equal(await textAt(engine, "a"), "");
  });

  test(`${store.name}: compareAndSwap compares and stores compressed values`, async (t) => {
    const engine = await (await store.place(t)).open();
    assert.equal(await engine.compareAndSwap("a", null, LONG), true);
    assert.equal(await engine.compareAndSwap("a", `${LONG}.`, "x"), false);
    assert.equal(await engine.compareAndSwap("a", LONG, `${LONG}!`), true);
    assert.equal(await engine.compareAndSwap("a", LONG, "x"), false);
    assert.equal(await engine.compareAndSwap("a", `${LONG}!`, "x"), true);
    assert.equal(await textAt(engine, "a"), "x");
  });

  test(`${store.name}: of many compareAndSwaps from one value exactly the first wins, in the order of calls`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", LONG);
    const swaps = Array.from({ length: 20 }, (_, i) => engine.compareAndSwap("a", LONG, `winner ${i}`));
    const read = textAt(engine, "a");
    assert.deepEqual(await Promise.all(swaps), [true, ...new Array<boolean>(19).fill(false)]);
    assert.equal(await read, "winner 0");
  });

  if (store.isShared) {
    const forms: readonly StoreOptions[] = [
      {},
      { compression: { codec: "none" } },
      { compression: { codec: "zstd" } },
      { compression: { codec: "snappy", thresholdBytes: 0 } },
      { checksum: "none" },
      { checksum: "none", compression: { codec: "none" } },
    ];
    test(`${store.name}: compareAndSwap finds equal values whatever codec, checksum or program stored them`, async (t) => {
      const place = await store.place(t);
      for (const [writing, writerForm] of forms.entries()) {
        const writer = await place.open(writerForm);
        for (const [swapping, swapperForm] of forms.entries()) {
          const swapper = await place.open(swapperForm);
          for (const value of [
            "short",
            LONG,
            Buffer.from("c14d looks framed", "latin1"),
            Buffer.from("c14d0102", "hex"),
          ]) {
            await writer.put("a", value);
            const how = `written by form ${writing}, swapped by form ${swapping}`;
            assert.equal(await swapper.compareAndSwap("a", `${value}?`, "x"), false, how);
            assert.equal(await swapper.compareAndSwap("a", value, "next"), true, how);
            assert.equal(await textAt(writer, "a"), "next");
          }
          await swapper.close();
        }
      }
    });
  }

  test(`${store.name}: a number that was put counts on, however short the values are that are compressed`, async (t) => {
    const engine = await (await store.place(t)).open({ compression: { thresholdBytes: 0 } });
    for (const number of [12n, 1_000_000_000_000_000_000n, -1_111_111_111_111_111_111n]) {
      await engine.put("a", String(number));
      assert.equal(await engine.increment("a"), number + 1n);
    }
  });

  test(`${store.name}: increments add up from zero, down again and by any amount`, async (t) => {
    const engine = await (await store.place(t)).open();
    assert.equal(await engine.increment("a"), 1n);
    assert.equal(await engine.increment("a", 41), 42n);
    assert.equal(await engine.increment("a", -50n), -8n);
    assert.equal(await engine.increment("a", 0), -8n);
    assert.equal(await textAt(engine, "a"), "-8");
    const sums = await Promise.all(Array.from({ length: 100 }, () => engine.increment("b", 2)));
    assert.deepEqual(
      sums,
      Array.from({ length: 100 }, (_, i) => BigInt(2 * (i + 1))),
    );
  });

  test(`${store.name}: increments are exact over all 64 bits and refuse to leave them`, async (t) => {
    const engine = await (await store.place(t)).open();
    const max = 2n ** 63n - 1n;
    assert.equal(await engine.increment("a", 2n ** 53n), 2n ** 53n);
    assert.equal(await engine.increment("a"), 2n ** 53n + 1n);
    assert.equal(await engine.increment("a", max - 2n ** 53n - 1n), max);
    const overflow = { code: "BACKEND", reason: "ERR_OVERFLOW", outcome: "not-applied", key: "a" };
    await assert.rejects(engine.increment("a"), overflow);
    assert.equal(await textAt(engine, "a"), String(max));
    assert.equal(await engine.increment("b", -(2n ** 53n) - 3n), -(2n ** 53n) - 3n);
    assert.equal(await engine.increment("b", -max + 2n ** 53n + 2n), -max - 1n);
    await assert.rejects(engine.increment("b", -1), { reason: "ERR_OVERFLOW" });
  });

  test(`${store.name}: a number that was put as text counts on, its lifetime kept`, async (t) => {
    for (const checksum of ["crc32", "none"] as const) {
      const engine = await (await store.place(t)).open({ checksum });
      await engine.put("a", "41", { ttlMs: MINUTE_MS });
      assert.equal(await engine.increment("a"), 42n);
      assert.ok((await engine.ttl("a"))! <= MINUTE_MS);
      await engine.put("b", "-9223372036854775808");
      assert.equal(await engine.increment("b"), -9223372036854775807n);
      await engine.put("max", "9223372036854775807");
      await assert.rejects(engine.increment("max"), { reason: "ERR_OVERFLOW" });
      assert.equal(await textAt(engine, "max"), "9223372036854775807");
    }
  });

  test(`${store.name}: what is no whole number of 64 bits is not incremented, its neighbours are`, async (t) => {
    const engine = await (await store.place(t)).open();
    const words = ["word", "", "007", "+5", " 5", "5 ", "1.5", "-0", "-", "9223372036854775808", "0x10", LONG];
    for (const word of words) {
      await engine.put("bad", word);
      const [bad, good] = await Promise.allSettled([engine.increment("bad"), engine.increment("good")]);
      assert.equal(bad.status, "rejected", `"${word}" was taken for a number`);
      assert.equal(bad.reason.reason, "ERR_NOT_AN_INTEGER", `"${word}"`);
      assert.equal(bad.reason.outcome, "not-applied");
      assert.equal(good.status, "fulfilled");
      assert.equal(await textAt(engine, "bad"), word);
    }
  });

  test(`${store.name}: a transaction puts, deletes and expires together, also the same key several times`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.batchPut([
      ["a", "1"],
      ["b", "1"],
    ]);
    await engine.transaction([
      { type: "put", key: "c", value: LONG, ttlMs: MINUTE_MS },
      { type: "delete", key: "a" },
      { type: "expire", key: "b", ttlMs: MINUTE_MS },
      { type: "delete", key: "absent" },
      { type: "expire", key: "absent", ttlMs: null },
      { type: "put", key: "d", value: "first" },
      { type: "delete", key: "d" },
      { type: "put", key: "d", value: "last" },
    ]);
    assert.equal(await engine.get("a"), null);
    assert.ok((await engine.ttl("b"))! <= MINUTE_MS);
    assert.equal(await textAt(engine, "c"), LONG);
    assert.ok((await engine.ttl("c"))! <= MINUTE_MS);
    assert.equal(await textAt(engine, "d"), "last");
    assert.equal(await engine.contains("absent"), false);
    await engine.transaction([{ type: "expire", key: "b", ttlMs: null }]);
    assert.equal(await engine.ttl("b"), Number.POSITIVE_INFINITY);
    await engine.transaction([]);
  });

  test(`${store.name}: a transaction keeps its place among the calls on all of its keys`, async (t) => {
    const engine = await (await store.place(t)).open();
    const answers: Promise<unknown>[] = [];
    for (let round = 0; round < 20; round++) {
      void engine.put("a", `before ${round}`);
      answers.push(textAt(engine, "a"));
      void engine.transaction([
        { type: "put", key: "a", value: `within ${round}` },
        { type: "put", key: "b", value: `within ${round}` },
      ]);
      answers.push(textAt(engine, "a"), textAt(engine, "b"));
      void engine.put("b", `after ${round}`);
      answers.push(textAt(engine, "b"));
    }
    const expected = Array.from({ length: 20 }, (_, round) => [
      `before ${round}`,
      `within ${round}`,
      `within ${round}`,
      `after ${round}`,
    ]);
    assert.deepEqual(await Promise.all(answers), expected.flat());
  });

  test(`${store.name}: a transaction with one bad mutation changes nothing`, async (t) => {
    const engine = await (await store.place(t)).open();
    const mutations = [{ type: "put", key: "a", value: "1" } as const, { type: "put", key: "", value: "1" } as const];
    await assert.rejects(engine.transaction(mutations), { code: "INVALID_ARGUMENT", outcome: "not-applied" });
    assert.equal(await engine.contains("a"), false);
  });
}
