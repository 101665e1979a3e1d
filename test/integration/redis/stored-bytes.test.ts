import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { CorruptValueError, type Engine } from "../../../src/index.js";
import { failureOf, settled } from "../../support/outcomes.js";
import { onRedis, type StoreOptions, type TestScope } from "../../support/stores.js";

const LONG = "a value of three kilobytes ".repeat(120);
const FORMS: readonly [string, string, StoreOptions][] = [
  ["plain", "a short value", {}],
  ["compressed by lz4", LONG, {}],
  ["compressed by zstd", LONG, { compression: { codec: "zstd" } }],
];

await onRedis("stored bytes on redis", (store, server) => {
  interface Scene {
    readonly engine: Engine;
    readonly raw: Redis;
    readonly prefix: string;
  }

  async function openScene(t: TestScope, options: StoreOptions = {}): Promise<Scene> {
    const place = await store.place(t);
    const engine = await place.open(options);
    const raw = new Redis(server.url);
    t.after(() => raw.disconnect());
    return { engine, raw, prefix: place.keyPrefix };
  }

  for (const [form, value, options] of FORMS) {
    test(`each bit of a ${form} value, when flipped, makes it a CorruptValueError`, async (t) => {
      const { engine, raw, prefix } = await openScene(t, options);
      await engine.put("a", value);
      const stored = (await raw.getBuffer(`${prefix}a`))!;
      assert.equal(String(await engine.get("a")), value);
      for (let bit = 0; bit < stored.length * 8; bit++) {
        const damaged = Buffer.from(stored);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        await raw.set(`${prefix}a`, damaged);
        const error = await failureOf(engine.get("a"));
        assert.ok(error instanceof CorruptValueError, `bit ${bit}: ${error}`);
        assert.deepEqual([error.key, error.operation, error.outcome], ["a", "get", "not-applied"]);
      }
    });

    test(`a ${form} value cut at any length is a CorruptValueError while a header remains, else foreign`, async (t) => {
      const { engine, raw, prefix } = await openScene(t, options);
      await engine.put("a", value);
      const stored = (await raw.getBuffer(`${prefix}a`))!;
      for (let length = 0; length < stored.length; length++) {
        await raw.set(`${prefix}a`, stored.subarray(0, length));
        const ending = await settled(engine.get("a"));
        if (length < 2) assert.deepEqual(ending.ok && ending.value, stored.subarray(0, length));
        else assert.ok(!ending.ok && ending.error instanceof CorruptValueError, `cut to ${length} bytes`);
      }
    });

    test(`the stored form of a ${form} value is not taken for the value by compareAndSwap`, async (t) => {
      const { engine, raw, prefix } = await openScene(t, options);
      await engine.put("a", value);
      const stored = (await raw.getBuffer(`${prefix}a`))!;
      assert.equal(await engine.compareAndSwap("a", stored, "swapped"), false);
      assert.equal(String(await engine.get("a")), value);
      await engine.put("a", stored);
      assert.equal(await engine.compareAndSwap("a", stored, "swapped"), true);
      assert.equal(String(await engine.get("a")), "swapped");
    });

    test(`a ${form} value under another key is a CorruptValueError`, async (t) => {
      const { engine, raw, prefix } = await openScene(t, options);
      await engine.put("a", value);
      await raw.copy(`${prefix}a`, `${prefix}b`);
      await raw.rename(`${prefix}a`, `${prefix}c`);
      for (const key of ["b", "c"]) assert.equal((await failureOf(engine.get(key))).code, "CORRUPT_VALUE");
      assert.equal(await engine.get("a"), null);
    });
  }

  test("a value longer than any may be, or none at all, fails alone when it is taken out", async (t) => {
    const { engine, raw, prefix } = await openScene(t, { maxValueBytes: 4096 });
    await raw.set(`${prefix}long`, Buffer.alloc(300_000, "x"));
    await raw.rpush(`${prefix}list`, "no value");
    await engine.put("whole", "20");
    const taken = ["long", "list", "whole", "absent"].map((key) => settled(engine.getAndDelete(key)));
    const neighbours = [engine.increment("i"), engine.setIfNotExists("s", "1"), engine.compareAndSwap("c", null, "1")];
    assert.deepEqual(await Promise.all(neighbours), [1n, true, true]);
    const [long, list, whole, absent] = await Promise.all(taken);
    assert.ok(!long!.ok && long!.error instanceof CorruptValueError);
    assert.equal(long!.error.outcome, "unknown");
    assert.ok(!list!.ok && list!.error.code === "BACKEND");
    assert.deepEqual([whole!.ok && String(whole!.value), absent!.ok && absent!.value], ["20", null]);
    assert.equal(await raw.exists(`${prefix}long`, `${prefix}whole`), 0);
  });

  const UNGIVABLE: readonly [string, string, Buffer][] = [
    ["barely too long", "ERR_VALUE_TOO_LARGE", Buffer.alloc(4100, "x")],
    ["of a later format", "ERR_FORMAT_VERSION", Buffer.from("\xc1M\0\0\0\0\x20\0from the future", "latin1")],
    ["damaged", "ERR_CORRUPT_VALUE_CHECKSUM", Buffer.from("\xc1M\x01\x02\x03\x04\x10\x01damaged", "latin1")],
  ];
  for (const [what, reason, stored] of UNGIVABLE) {
    test(`a value that is ${what} spoils no answer beside it when it is taken out`, async (t) => {
      const { engine, raw, prefix } = await openScene(t, { maxValueBytes: 4096, retry: { retries: 0 } });
      await engine.put("whole", "20");
      await raw.set(`${prefix}bad`, stored);
      const taken = ["bad", "whole"].map((key) => settled(engine.getAndDelete(key)));
      const counts = Array.from({ length: 600 }, (_, i) => engine.increment(`counter ${i}`));
      assert.deepEqual(await Promise.all(counts), new Array(600).fill(1n));
      const [bad, whole] = await Promise.all(taken);
      assert.deepEqual(!bad!.ok && [bad!.error.reason, bad!.error.outcome], [reason, "unknown"]);
      assert.equal(whole!.ok && String(whole!.value), "20");
      assert.equal(await raw.exists(`${prefix}bad`), 0);
    });
  }

  test("no bytes of a value that is longer than any may be are taken for the answer to something else", async (t) => {
    const { engine, raw, prefix } = await openScene(t, { maxValueBytes: 65_536 });
    await engine.put("mine", "the right value");
    for (let shift = 0; shift < 16; shift++) {
      await raw.set(`${prefix}big`, "x".repeat(shift) + "*1\r\n$5\r\nEVIL!\r\n".repeat(150_000));
      const big = settled(engine.get("big"));
      await new Promise(setImmediate);
      const answers = Promise.all([engine.get("mine"), engine.increment("hits"), engine.delete("absent")]);
      const [mine, hits, existed] = await answers;
      assert.deepEqual([String(mine), hits, existed], ["the right value", BigInt(shift + 1), false]);
      const ending = await big;
      assert.ok(!ending.ok && ending.error instanceof CorruptValueError);
    }
  });

  test("a corrupt value fails alone: in a batch, between other calls, and on its connection", async (t) => {
    const { engine, raw, prefix } = await openScene(t);
    await engine.batchPut(["a", "b", "c"].map((key) => [key, `value of ${key}`] as const));
    await raw.copy(`${prefix}a`, `${prefix}b`, "REPLACE");
    const [a, b, c] = await Promise.all(
      [engine.get("a"), failureOf(engine.get("b")), engine.get("c")].map((call) => call),
    );
    assert.deepEqual([String(a), (b as Error).name, String(c)], ["value of a", "CorruptValueError", "value of c"]);
  });

  test("every way to a corrupt value reports it", async (t) => {
    const { engine, raw, prefix } = await openScene(t);
    await engine.put("other", "41");
    const spoil = (): Promise<unknown> => raw.copy(`${prefix}other`, `${prefix}a`, "REPLACE");
    await spoil();
    const batch = await failureOf(engine.batchGet(["other", "a"]));
    assert.deepEqual([batch.code, batch.key, batch.outcome], ["CORRUPT_VALUE", "a", "not-applied"]);
    const sum = await failureOf(engine.increment("a"));
    assert.deepEqual([sum.code, sum.key, sum.outcome], ["CORRUPT_VALUE", "a", "not-applied"]);
    const scan = async (): Promise<void> => {
      for await (const _ of engine.entries());
    };
    const scanned = await failureOf(scan());
    assert.deepEqual([scanned.code, scanned.key, scanned.operation], ["CORRUPT_VALUE", "a", "entries"]);
    const taken = await failureOf(engine.getAndDelete("a"));
    assert.deepEqual([taken.code, taken.key, taken.outcome], ["CORRUPT_VALUE", "a", "unknown"]);
    await spoil();
    assert.equal(await engine.contains("a"), true);
    assert.equal(await engine.delete("a"), true);
    await spoil();
    await engine.put("a", "whole again");
    assert.equal(String(await engine.get("a")), "whole again");
  });

  test("values of other programs come back as they are", async (t) => {
    const { engine, raw, prefix } = await openScene(t);
    const foreign = ["", "x", "{}", "plain text", "\xc1", "\xc1N..", "M\xc1", "12", `${LONG}`].map((text) =>
      Buffer.from(text, "latin1"),
    );
    for (const value of foreign) {
      await raw.set(`${prefix}a`, value);
      assert.deepEqual(await engine.get("a"), value);
      assert.deepEqual(await engine.batchGet(["a"]), [value]);
      assert.equal(await engine.compareAndSwap("a", Buffer.concat([value, Buffer.of(1)]), "x"), false);
      assert.equal(await engine.compareAndSwap("a", value, value), true);
      assert.deepEqual(await engine.getAndDelete("a"), value);
    }
  });

  test("counters are plain decimal text for other programs", async (t) => {
    const { engine, raw, prefix } = await openScene(t);
    await engine.increment("n", 41);
    assert.equal(await raw.get(`${prefix}n`), "41");
    await raw.incr(`${prefix}n`);
    assert.equal(String(await engine.get("n")), "42");
    await engine.put("m", "5");
    await engine.increment("m");
    assert.equal(await raw.incr(`${prefix}m`), 7);
  });

  test("a value of a later format or an unknown codec is told from damage", async (t) => {
    const { engine, raw, prefix } = await openScene(t);
    const { crc32 } = await import("node:zlib");
    const store = async (versionAndCodec: number): Promise<void> => {
      const body = Buffer.concat([Buffer.of(versionAndCodec, 1, 3, 0, 0, 0), Buffer.from("abc")]);
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32LE(crc32(body, crc32(`${prefix}a`)));
      await raw.set(`${prefix}a`, Buffer.concat([Buffer.of(0xc1, 0x4d), checksum, body]));
    };
    await store(0x20);
    const later = await failureOf(engine.get("a"));
    assert.deepEqual([later.code, later.reason, later.key], ["UNSUPPORTED", "ERR_FORMAT_VERSION", "a"]);
    await store(0x1e);
    const unknown = await failureOf(engine.get("a"));
    assert.deepEqual([unknown.code, unknown.reason], ["UNSUPPORTED", "ERR_CODEC_UNAVAILABLE"]);
  });

  test("a length in the header that is beyond the limit is refused before it is allocated", async (t) => {
    const { engine, raw, prefix } = await openScene(t);
    const { crc32 } = await import("node:zlib");
    const before = process.memoryUsage().arrayBuffers;
    for (const codec of [1, 2, 3]) {
      const covered = Buffer.concat([Buffer.of(0x10 | codec, 1, 0xff, 0xff, 0xff, 0xff), Buffer.alloc(19, codec)]);
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32LE(crc32(covered, crc32(`${prefix}a`)));
      await raw.set(`${prefix}a`, Buffer.concat([Buffer.of(0xc1, 0x4d), checksum, covered]));
      const error = await failureOf(engine.get("a"));
      assert.deepEqual([error.code, error.reason], ["CORRUPT_VALUE", "ERR_VALUE_TOO_LARGE"]);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 << 20);
  });
});
