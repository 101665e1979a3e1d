import assert from "node:assert/strict";
import { test } from "node:test";
import type { Engine, Key } from "../../src/index.js";
import type { Store } from "../support/stores.js";
import { until } from "../support/until.js";

const MINUTE_MS = 60_000;

export async function textAt(engine: Engine, key: Key): Promise<string | null> {
  return (await engine.get(key))?.toString() ?? null;
}

/** get, put, delete, contains, ttl, expire: what every store must do. */
export function testSingleKeyCalls(store: Store): void {
  test(`${store.name}: a put value is read back and found, an absent key is null and not found`, async (t) => {
    const engine = await (await store.place(t)).open();
    assert.equal(await engine.put("a", "one"), undefined);
    assert.deepEqual(await engine.get("a"), Buffer.from("one"));
    assert.equal(await engine.contains("a"), true);
    assert.equal(await engine.get("b"), null);
    assert.equal(await engine.contains("b"), false);
  });

  test(`${store.name}: a later put replaces value and lifetime of the earlier one`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "one", { ttlMs: MINUTE_MS });
    await engine.put("a", "two");
    assert.equal(await textAt(engine, "a"), "two");
    assert.equal(await engine.ttl("a"), Number.POSITIVE_INFINITY);
  });

  test(`${store.name}: delete tells whether the key existed`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "one");
    assert.equal(await engine.delete("a"), true);
    assert.equal(await engine.delete("a"), false);
    assert.equal(await engine.get("a"), null);
  });

  test(`${store.name}: ttl is the time left, Infinity without a lifetime, null without the key`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("mortal", "1", { ttlMs: MINUTE_MS });
    await engine.put("immortal", "1");
    const left = await engine.ttl("mortal");
    assert.ok(left !== null && left > MINUTE_MS / 2 && left <= MINUTE_MS, `${left} ms left`);
    assert.equal(await engine.ttl("immortal"), Number.POSITIVE_INFINITY);
    assert.equal(await engine.ttl("absent"), null);
  });

  test(`${store.name}: an entry is gone for every operation once its lifetime is over`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "1", { ttlMs: 30 });
    await engine.put("b", "1", { ttlMs: 30 });
    await engine.put("stays", "1", { ttlMs: MINUTE_MS });
    await until("the entry has expired", async () => (await engine.get("a")) === null);
    await until("the other has expired", async () => !(await engine.contains("b")));
    assert.equal(await engine.ttl("a"), null);
    assert.equal(await engine.delete("a"), false);
    assert.equal(await engine.expire("b", 1000), false);
    assert.equal(await engine.getAndDelete("b"), null);
    assert.deepEqual(await engine.listKeys(), ["stays"]);
    assert.equal(await engine.increment("a"), 1n);
    assert.equal(await engine.ttl("a"), Number.POSITIVE_INFINITY);
  });

  test(`${store.name}: expire sets, prolongs and takes away a lifetime and tells whether the key exists`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("a", "1");
    assert.equal(await engine.expire("a", MINUTE_MS), true);
    assert.ok((await engine.ttl("a"))! <= MINUTE_MS);
    assert.equal(await engine.expire("a", 2 * MINUTE_MS), true);
    assert.ok((await engine.ttl("a"))! > MINUTE_MS);
    assert.equal(await engine.expire("a", null), true);
    assert.equal(await engine.ttl("a"), Number.POSITIVE_INFINITY);
    assert.equal(await engine.expire("a", null), true, "a key that never expires exists all the same");
    assert.equal(await engine.expire("absent", null), false);
    assert.equal(await engine.expire("absent", MINUTE_MS), false);
    assert.equal(await engine.expire("a", 20), true);
    await until("the shortened lifetime is over", async () => !(await engine.contains("a")));
  });

  test(`${store.name}: defaultTtlMs holds for writes that give none, null overrides it`, async (t) => {
    const engine = await (await store.place(t)).open({ defaultTtlMs: MINUTE_MS });
    await engine.put("default", "1");
    await engine.put("never", "1", { ttlMs: null });
    await engine.put("own", "1", { ttlMs: 3 * MINUTE_MS });
    await engine.batchPut([["many", "1"]]);
    assert.ok((await engine.ttl("default"))! <= MINUTE_MS);
    assert.equal(await engine.ttl("never"), Number.POSITIVE_INFINITY);
    assert.ok((await engine.ttl("own"))! > 2 * MINUTE_MS);
    assert.ok((await engine.ttl("many"))! <= MINUTE_MS);
  });

  test(`${store.name}: a lifetime of ten years is kept, one beyond is refused`, async (t) => {
    const engine = await (await store.place(t)).open();
    const tenYearsMs = 315_360_000_000;
    await engine.put("a", "1", { ttlMs: tenYearsMs });
    assert.ok((await engine.ttl("a"))! > tenYearsMs - MINUTE_MS);
    await assert.rejects(engine.put("a", "1", { ttlMs: tenYearsMs + 1 }), { reason: "ERR_TTL" });
  });

  test(`${store.name}: every byte can stand in keys and values`, async (t) => {
    const engine = await (await store.place(t)).open();
    const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    await engine.put(allBytes, allBytes);
    assert.deepEqual(await engine.get(allBytes), allBytes);
    for (let byte = 0; byte < 256; byte++) await engine.put(Buffer.of(byte), Buffer.of(byte));
    const singles = await engine.batchGet(Array.from({ length: 256 }, (_, byte) => Buffer.of(byte)));
    assert.deepEqual(
      singles.map((value) => value?.[0]),
      [...allBytes],
    );
  });

  test(`${store.name}: a string key and its UTF-8 bytes are the same key`, async (t) => {
    const engine = await (await store.place(t)).open();
    for (const key of ["plain", "zażółć", "キー", "🔑\u0000\r\n", "ÿ", "\u{10000}", "\u{103ff}a", "\u{10ffff}"]) {
      await engine.put(key, key);
      assert.equal(await textAt(engine, Buffer.from(key)), key);
      assert.equal(await engine.delete(new Uint8Array(Buffer.from(key))), true);
      assert.equal(await engine.get(key), null);
    }
  });

  test(`${store.name}: empty, multi-line and multi-byte values come back as they were`, async (t) => {
    const engine = await (await store.place(t)).open();
    for (const value of [
      "",
      "\r\n",
      "$-1\r\n",
      "*1\r\n$4\r\nPING\r\n",
      "żółw 🐢",
      "\u0000",
      "ÁM looks like a header",
    ]) {
      await engine.put("a", value);
      assert.equal(await textAt(engine, "a"), value);
    }
    await engine.put("empty", new Uint8Array(0));
    assert.deepEqual(await engine.get("empty"), Buffer.alloc(0));
    assert.equal(await engine.contains("empty"), true);
  });

  test(`${store.name}: values that begin like a header of ours come back as they were`, async (t) => {
    for (const checksum of ["crc32", "none"] as const) {
      const engine = await (await store.place(t)).open({ checksum });
      for (const hex of ["c14d", "c14d00000000", "c14d000000001000", "c14d0000000011007fffffff00", "c1", "c14d1001"]) {
        await engine.put(hex, Buffer.from(hex, "hex"));
        assert.equal((await engine.get(hex))?.toString("hex"), hex, `with checksum ${checksum}`);
      }
    }
  });

  test(`${store.name}: values of every size around the compression threshold come back whole`, async (t) => {
    const ways = ["never", "always"] as const;
    const codecs = ["lz4", "zstd", "snappy", "none"] as const;
    for (const [codec, offload] of codecs.flatMap((name) => ways.map((way) => [name, way] as const))) {
      const compression = { codec, thresholdBytes: 64 };
      const engine = await (await store.place(t)).open({ compression, workers: { offload } });
      for (const size of [1, 63, 64, 65, 255, 1023, 1024, 5000, 70_000]) {
        const repetitive = Buffer.from("abcdefgh".repeat(size / 8 + 1)).subarray(0, size);
        const noise = Buffer.from(Array.from({ length: size }, (_, i) => Math.imul(i + size, 2_654_435_761) >>> 24));
        await Promise.all([engine.put("repetitive", repetitive), engine.put("noise", noise)]);
        assert.deepEqual(await engine.batchGet(["repetitive", "noise"]), [repetitive, noise]);
      }
    }
  });

  test(`${store.name}: a value of maxValueBytes is stored, one byte more is refused`, async (t) => {
    const engine = await (await store.place(t)).open({ maxValueBytes: 100_000 });
    const largest = Buffer.alloc(100_000, "x");
    await engine.put("a", largest);
    assert.deepEqual(await engine.get("a"), largest);
    const refusal = { code: "INVALID_ARGUMENT", reason: "ERR_VALUE_TOO_LARGE", outcome: "not-applied" };
    await assert.rejects(engine.put("a", Buffer.alloc(100_001)), refusal);
    await assert.rejects(engine.put("a", `${"x".repeat(99_999)}é`), refusal);
    assert.deepEqual(await engine.get("a"), largest);
  });

  test(`${store.name}: a value larger than a batch may be travels alone`, async (t) => {
    const engine = await (await store.place(t)).open({ batching: { maxBytes: 1024 } });
    const large = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7919) >>> 5));
    const neighbours = Array.from({ length: 20 }, (_, i) => engine.put(`small ${i}`, "x"));
    await Promise.all([engine.put("large", large), ...neighbours]);
    assert.deepEqual(await engine.get("large"), large);
    assert.equal(await engine.count("small "), 20);
  });

  test(`${store.name}: the longest key works, one byte more is refused`, async (t) => {
    const place = await store.place(t);
    const engine = await place.open();
    const prefixBytes = Buffer.byteLength(place.keyPrefix);
    const longest = Math.min(4096, store.maxKeyBytes - prefixBytes);
    const key = "k".repeat(longest);
    await engine.put(key, "1", { ttlMs: MINUTE_MS });
    assert.equal(await textAt(engine, key), "1");
    assert.deepEqual(await engine.listKeys("kkk"), [key]);
    assert.equal(await engine.delete(key), true);
    const multibyte = "é".repeat(Math.floor(longest / 2));
    await engine.put(multibyte, "2");
    assert.equal(await textAt(engine, multibyte), "2");
    const refusal = { code: "INVALID_ARGUMENT", reason: "ERR_KEY_TOO_LONG", outcome: "not-applied" };
    await assert.rejects(engine.put("k".repeat(longest + 1), "1"), refusal);
    await assert.rejects(engine.namespace("n").put(key, "1"), refusal);
  });

  test(`${store.name}: bad arguments are refused with a reason and nothing is sent`, async (t) => {
    const engine = await (await store.place(t)).open();
    const wrong = (value: unknown): never => value as never;
    const refusals: readonly [() => Promise<unknown>, string][] = [
      [() => engine.put(wrong(undefined), "v"), "ERR_KEY_TYPE"],
      [() => engine.get(wrong(7)), "ERR_KEY_TYPE"],
      [() => engine.get(wrong({})), "ERR_KEY_TYPE"],
      [() => engine.get(""), "ERR_KEY_EMPTY"],
      [() => engine.get(new Uint8Array(0)), "ERR_KEY_EMPTY"],
      [() => engine.get("a\ud800"), "ERR_KEY_ENCODING"],
      [() => engine.get(new Uint8Array(new SharedArrayBuffer(4))), "ERR_KEY_TYPE"],
      [() => engine.put("a", wrong(null)), "ERR_VALUE_TYPE"],
      [() => engine.put("a", wrong(undefined)), "ERR_VALUE_TYPE"],
      [() => engine.put("a", wrong(5)), "ERR_VALUE_TYPE"],
      [() => engine.put("a", wrong({})), "ERR_VALUE_TYPE"],
      [() => engine.put("a", wrong([1])), "ERR_VALUE_TYPE"],
      ...oddObjects().map((odd): [() => Promise<unknown>, string] => [
        () => engine.put("a", wrong(odd)),
        "ERR_VALUE_TYPE",
      ]),
      ...oddObjects().map((odd): [() => Promise<unknown>, string] => [() => engine.get(wrong(odd)), "ERR_KEY_TYPE"]),
      [() => engine.put("a", "\udfff"), "ERR_VALUE_ENCODING"],
      [() => engine.put("a", new Uint8Array(new SharedArrayBuffer(4))), "ERR_VALUE_UNSTABLE"],
      ...[Number.NaN, 0, -5, 1.5, "60", 2 ** 53 - 1].map((ttlMs): [() => Promise<unknown>, string] => [
        () => engine.put("a", "v", { ttlMs: wrong(ttlMs) }),
        "ERR_TTL",
      ]),
      [() => engine.expire("a", wrong(undefined)), "ERR_TTL"],
      [() => engine.get("a", { timeoutMs: 0 }), "ERR_TIMEOUT_OPTION"],
      [() => engine.get("a", { timeoutMs: wrong("1") }), "ERR_TIMEOUT_OPTION"],
      [() => engine.get("a", { signal: wrong({}) }), "ERR_SIGNAL"],
      [() => engine.put("a", "v", wrong({ ttl: 5 })), "ERR_CALL_OPTION"],
      [() => engine.put("a", "v", wrong(5000)), "ERR_CALL_OPTION"],
      [() => engine.put("a", "v", wrong(null)), "ERR_CALL_OPTION"],
      [() => engine.put("a", "v", { durability: wrong("disk") }), "ERR_CALL_OPTION"],
      [() => engine.put("a", "v", { durability: wrong(1n) }), "ERR_CALL_OPTION"],
      [() => engine.get("a", wrong({ timeoutMS: 5 })), "ERR_CALL_OPTION"],
      [() => engine.get("a", wrong({ ttlMs: 5 })), "ERR_CALL_OPTION"],
      [() => engine.contains("a", wrong(5)), "ERR_CALL_OPTION"],
      [() => engine.get("a", wrong(new AbortController().signal)), "ERR_CALL_OPTION"],
      [() => engine.setIfNotExists("a", "v", wrong({ expiresIn: 5 })), "ERR_CALL_OPTION"],
      [() => engine.batchPut([["a", "v"]], wrong({ ttl: 5 })), "ERR_CALL_OPTION"],
      [() => engine.batchGet(["a"], wrong({ ttlMs: 5 })), "ERR_CALL_OPTION"],
      [() => engine.transaction([wrong({ type: "put", key: "a", value: "v", ttl: 5 })]), "ERR_CALL_OPTION"],
      [() => engine.transaction([wrong({ type: "delete", key: "a", value: "v" })]), "ERR_CALL_OPTION"],
      [() => engine.transaction([wrong({ type: "expire", key: "a" })]), "ERR_TTL"],
      [() => engine.transaction([wrong({ put: "a" })]), "ERR_MUTATION"],
      [() => engine.transaction([wrong(null)]), "ERR_MUTATION"],
      [() => engine.increment("a", 1.5), "ERR_INCREMENT"],
      [() => engine.increment("a", 2n ** 63n), "ERR_INCREMENT"],
      [() => engine.increment("a", wrong("1")), "ERR_INCREMENT"],
      [() => engine.compareAndSwap("a", wrong(undefined), "v"), "ERR_VALUE_TYPE"],
      [() => engine.batchGet(wrong(undefined)), "ERR_BATCH_TYPE"],
      [() => engine.batchGet(wrong("keys")), "ERR_BATCH_TYPE"],
      [() => engine.batchPut(wrong(["a"])), "ERR_BATCH_ENTRY"],
      [() => engine.transaction(wrong([{ type: "read", key: "a" }])), "ERR_MUTATION"],
    ];
    for (const [call, reason] of refusals) {
      await assert.rejects(call(), { code: "INVALID_ARGUMENT", reason, outcome: "not-applied", backend: store.name });
    }
    await assert.rejects(engine.put("a", "v", wrong({ ttl: 5 })), /put has no option "ttl"; did you mean ttlMs\?/);
    assert.equal(engine.stats().batches, 0);
    assert.throws(() => engine.namespace(""), { reason: "ERR_NAMESPACE" });
    await engine.put("a", "v", wrong({ ttl: undefined }));
  });

  test(`${store.name}: a value whose memory was transferred away or has shrunk is refused`, async (t) => {
    const engine = await (await store.place(t)).open();
    const transferred = new Uint8Array(16);
    structuredClone(transferred, { transfer: [transferred.buffer] });
    // TypeScript's library for this target knows neither the option nor the method.
    const resizable = Reflect.construct(ArrayBuffer, [16, { maxByteLength: 16 }]) as ArrayBuffer & {
      resize(bytes: number): void;
    };
    const beyond = new Uint8Array(resizable, 8, 8);
    resizable.resize(4);
    for (const value of [transferred, beyond]) {
      await assert.rejects(engine.put("a", value), { reason: "ERR_VALUE_UNSTABLE" });
      await assert.rejects(engine.get(value), { reason: "ERR_KEY_TYPE" });
    }
    assert.equal(await engine.get("a"), null);
  });
}

/** What only looks like bytes, or cannot even be asked what it is. */
function oddObjects(): readonly unknown[] {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const throwing = Object.defineProperty({}, "constructor", {
    get() {
      throw new Error("not to be asked");
    },
  });
  return [
    ...[new Proxy(new Uint8Array(2), {}), Object.create(Uint8Array.prototype), proxy, throwing],
    ...[{ constructor: { name: Symbol("name") } }, Object.create(null)],
  ];
}
