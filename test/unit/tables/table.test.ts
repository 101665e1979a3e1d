import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type Engine, InvalidArgumentError, SerializationError } from "../../../src/index.js";
import type { TestScope } from "../../support/stores.js";

interface Window {
  readonly start: number;
  readonly sum: number;
  readonly labels?: readonly string[];
}

async function open(t: TestScope): Promise<Engine> {
  const engine = await createEngine("memory:");
  t.after(() => engine.close());
  return engine;
}

/** The error of a call that must fail with SerializationError, in the parts that callers match on. */
async function fault(call: Promise<unknown>): Promise<{ reason: string; outcome: string; key: string; text: string }> {
  const error = await call.then(
    () => assert.fail("the call should have failed"),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof SerializationError, String(error));
  assert.equal(error.code, "SERIALIZATION");
  return { reason: error.reason!, outcome: error.outcome, key: error.key!, text: error.message };
}

for (const codec of ["json", "msgpack"] as const) {
  test(`a ${codec} table gives back the values that were put, by every call that reads`, async (t) => {
    const table = (await open(t)).table<Window>("windows", codec);
    const first: Window = { start: 1, sum: 2 ** 40, labels: ["é", ""] };
    const second: Window = { start: -1.5, sum: 0 };
    await table.put("a", first);
    await table.batchPut(new Map([["b", second]]));
    assert.deepEqual(await table.get("a"), first);
    assert.deepEqual(await table.batchGet(new Set(["b", "none", "a"])), [second, null, first]);
    const entries: [string, Window][] = [];
    for await (const entry of table.entries()) entries.push(entry);
    assert.deepEqual(entries.sort(), [
      ["a", first],
      ["b", second],
    ]);
    assert.deepEqual((await table.listKeys()).sort(), ["a", "b"]);
    assert.equal(await table.count("a"), 1);
    assert.deepEqual(await table.getAndDelete("a"), first);
    assert.equal(await table.get("a"), null);
    assert.equal(await table.contains("b"), true);
    assert.equal(await table.setIfNotExists("b", first), false);
    assert.equal(await table.setIfNotExists("c", first, { ttlMs: 60_000 }), true);
    assert.ok((await table.ttl("c"))! <= 60_000);
    assert.equal(await table.expire("c", null), true);
    assert.equal(await table.ttl("c"), Number.POSITIVE_INFINITY);
    assert.equal(await table.delete("c"), true);
    assert.equal(await table.batchDelete(["b", "c"]), 1);
  });
}

test("MessagePack keeps bigint, Date and bytes apart from text", async (t) => {
  const table = (await open(t)).table<Record<string, unknown>>("m", "msgpack");
  const value = { big: 2n ** 63n - 1n, at: new Date(1_800_000_000_123), bytes: Buffer.of(0, 255), nothing: null };
  await table.put("a", value);
  assert.deepEqual(await table.get("a"), value);
});

test("calls of a table coalesce and keep their order per key, as those of the engine", async (t) => {
  const engine = await open(t);
  const table = engine.table<number>("n");
  const puts = Array.from({ length: 200 }, (_, i) => table.put(`k${i}`, i));
  const gets = Array.from({ length: 200 }, (_, i) => table.get(`k${i}`));
  assert.deepEqual(await Promise.all(gets), [...Array(200).keys()]);
  await Promise.all(puts);
  assert.ok(engine.stats().batches <= 2, `${engine.stats().batches} batches`);
  assert.equal(engine.stats().coalesced, 200);
});

test("a table has its keys to itself, below its view's namespace", async (t) => {
  const engine = await open(t);
  const [left, right] = [engine.table<number>("left"), engine.namespace("left").table<number>("right")];
  await Promise.all([left.put("a", 1), right.put("a", 2), engine.put("a", "3")]);
  assert.deepEqual(await left.listKeys(), ["a"]);
  assert.equal(await left.clear(), 1);
  assert.equal(await right.get("a"), 2);
  assert.deepEqual((await engine.listKeys()).sort(), ["a", "leftright:a"]);
});

test("options of a call reach the engine, and its refusals are its own", async (t) => {
  const table = (await open(t)).table<number>("n");
  await table.put("a", 1, { ttlMs: 60_000 });
  assert.ok((await table.ttl("a"))! <= 60_000);
  await assert.rejects(table.get("a", { signal: AbortSignal.abort() }), { code: "ABORTED" });
  await assert.rejects(table.get(""), { code: "INVALID_ARGUMENT", reason: "ERR_KEY_EMPTY" });
  await assert.rejects(table.batchPut(5 as never), { code: "INVALID_ARGUMENT", reason: "ERR_BATCH_TYPE" });
  await assert.rejects(table.batchPut([7] as never), { code: "INVALID_ARGUMENT", reason: "ERR_BATCH_ENTRY" });
});

test("a custom codec is given the bytes and the version under which they were written", async (t) => {
  const engine = await open(t);
  const seen: number[] = [];
  const codec = {
    encode: (value: number) => Buffer.of(value),
    decode(bytes: Buffer, version: number) {
      seen.push(version);
      return bytes[0]! + (version === 1 ? 100 : 0);
    },
  };
  await engine.table("n", codec).put("a", 7);
  assert.equal(await engine.table("n", { codec, version: 2 }).get("a"), 107);
  await engine.table("n", { codec, version: 2 }).put("a", 8);
  assert.equal(await engine.table("n", { codec, version: 2 }).get("a"), 8);
  assert.deepEqual(seen, [1, 2]);
});

test("records of older versions are migrated step by step when they are read, and stay as they are", async (t) => {
  const engine = await open(t);
  await engine.table<string>("users").put("ada", "Ada Lovelace");
  const migrations = {
    1: (name: string) => ({ name }),
    2: ({ name }: { name: string }) => ({ first: name.split(" ")[0], last: name.split(" ")[1] }),
  };
  const table = engine.table<{ first: string; last: string }>("users", { version: 3, migrations, codec: "msgpack" });
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(await table.get("ada"), { first: "Ada", last: "Lovelace" });
  }
  assert.equal(await engine.table<string>("users").get("ada"), "Ada Lovelace");
  await table.put("ada", (await table.get("ada"))!);
  assert.equal((await fault(engine.table<string>("users").get("ada"))).reason, "ERR_RECORD_NEWER");
});

test("an older reader refuses a newer record with both versions, unless the writer says it is readable", async (t) => {
  const engine = await open(t);
  const old = engine.table<{ a: number }>("t", { version: 2, migrations: { 1: (value) => value } });
  await engine.table("t", { version: 5 }).put("k", { a: 1 });
  const { reason, key, text, outcome } = await fault(old.get("k"));
  assert.deepEqual([reason, key, outcome], ["ERR_RECORD_NEWER", "k", "not-applied"]);
  assert.match(text, /table "t".*schema version 5.*up to version 2/);
  await engine.table("t", { version: 6, readableFrom: 2 }).put("k", { a: 1, b: 2 });
  assert.deepEqual(await old.get("k"), { a: 1, b: 2 });
  await engine.table("t", { version: 7, readableFrom: 3 }).put("k", { a: 1 });
  assert.equal((await fault(old.get("k"))).reason, "ERR_RECORD_NEWER");
});

test("a version from which nothing leads on, and a migration that throws, have reasons of their own", async (t) => {
  const engine = await open(t);
  await engine.table<number>("t").put("k", 1);
  assert.equal((await fault(engine.table("t", { version: 2 }).get("k"))).reason, "ERR_RECORD_OLDER");
  const failing = engine.table("t", {
    version: 2,
    migrations: {
      1: () => {
        throw new Error("cannot");
      },
    },
  });
  const { reason, text } = await fault(failing.get("k"));
  assert.equal(reason, "ERR_MIGRATION");
  assert.match(text, /cannot/);
});

test("values of other programs are taken in by a migration from version 0, and refused without one", async (t) => {
  const engine = await open(t);
  await engine.put("t:k", '{"a":1}');
  assert.equal((await fault(engine.table("t").get("k"))).reason, "ERR_RECORD");
  const table = engine.table<{ a: number; b: number }>("t", {
    migrations: { 0: (value: { a: number }) => ({ ...value, b: 2 }) },
  });
  assert.deepEqual(await table.get("k"), { a: 1, b: 2 });
});

test("damaged records name the table and the key, and never show the value", async (t) => {
  const engine = await open(t);
  const [json, msgpack] = [engine.table("t"), engine.table("t", "msgpack")];
  const damaged: [string, string | Buffer][] = [
    ["header", "\x01"],
    ["version", "\x01jx {}"],
    ["format", "\x01q1 {}"],
    ["json", '\x01j1 {"secret":'],
    ["garbage", "\x01j1 secret"],
    ["cut", Buffer.concat([Buffer.from("\x01m1 "), Buffer.of(0x93, 1, 2)])],
    ["behind", Buffer.concat([Buffer.from("\x01m1 "), Buffer.of(1, 2)])],
    ["huge", Buffer.concat([Buffer.from("\x01m1 "), Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff)])],
    ["extension", Buffer.concat([Buffer.from("\x01m1 "), Buffer.of(0xd4, 0x72, 0x40)])],
    ["empty", "\x01m1 "],
    ["custom", "\x01c1 x"],
  ];
  await engine.batchPut(damaged.map(([key, value]) => [`t:${key}`, value]));
  for (const [key] of damaged) {
    for (const table of [json, msgpack]) {
      const seen = await fault(table.get(key));
      assert.deepEqual([seen.reason, seen.key], ["ERR_RECORD", key]);
      assert.ok(seen.text.includes('table "t"') && !seen.text.includes("secret"), seen.text);
    }
  }
  assert.equal((await fault(json.batchGet(["cut"]))).reason, "ERR_RECORD");
  const walked = fault(
    (async () => {
      for await (const _ of json.entries());
    })(),
  );
  assert.equal((await walked).reason, "ERR_RECORD");
  const taken = await fault(json.getAndDelete("json"));
  assert.deepEqual([taken.reason, taken.outcome, taken.key], ["ERR_RECORD", "unknown", "json"]);
  assert.equal(await json.contains("json"), false);
});

test("nesting without end is refused on read and on write, the deepest allowed is not", async (t) => {
  const engine = await open(t);
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  for (const codec of ["json", "msgpack"] as const) {
    const table = engine.table<unknown>("t", codec);
    await table.put("deepest", nested(256));
    assert.deepEqual(await table.get("deepest"), nested(256));
    assert.equal((await fault(table.put("deeper", nested(257)))).reason, "ERR_NESTING");
    assert.equal(await table.contains("deeper"), false);
  }
  await engine.put("t:json", `\x01j1 ${"[".repeat(5_000_000)}`);
  await engine.put("t:text", `\x01j1 ["${"[".repeat(1000)}","\\"${"{".repeat(1000)}"]`);
  await engine.put("t:msgpack", Buffer.concat([Buffer.from("\x01m1 "), Buffer.alloc(5_000_000, 0x91)]));
  assert.equal((await fault(engine.table("t").get("json"))).reason, "ERR_NESTING");
  assert.equal((await fault(engine.table("t").get("msgpack"))).reason, "ERR_NESTING");
  assert.deepEqual(await engine.table("t").get("text"), ["[".repeat(1000), `"${"{".repeat(1000)}`]);
});

test("what has no form in the format is refused before anything is sent", async (t) => {
  const engine = await open(t);
  const circle: unknown[] = [];
  circle.push(circle);
  const values = {
    json: [1n, undefined, null, () => 1, circle],
    msgpack: [2n ** 70n, undefined, null, () => 1, circle],
  };
  for (const codec of ["json", "msgpack"] as const) {
    const table = engine.table<unknown>("t", codec);
    for (const value of values[codec]) {
      assert.equal((await fault(table.put("k", value))).reason, "ERR_ENCODE");
      const batch = table.batchPut([
        ["first", 1],
        ["second", value],
      ]);
      assert.equal((await fault(batch)).reason, "ERR_ENCODE");
    }
    assert.equal(await table.count(), 0);
  }
});

test("parse gives the type, and what it throws is an error of the record", async (t) => {
  const engine = await open(t);
  const parse = (read: unknown): number => {
    if (typeof read !== "number") throw new Error("not a number");
    return read;
  };
  const table = engine.table("t", { parse });
  await engine.table<unknown>("t").batchPut([
    ["good", 5],
    ["bad", "five"],
  ]);
  assert.equal(await table.get("good"), 5);
  assert.match((await fault(table.get("bad"))).text, /not a number/);
});

test("compareAndSwap compares values, whatever their version and the order of their properties", async (t) => {
  const engine = await open(t);
  const table = engine.table<{ a: number; b?: number }>("t");
  assert.equal(await table.compareAndSwap("k", null, { a: 1, b: 2 }), true);
  assert.equal(await table.compareAndSwap("k", null, { a: 9 }), false);
  assert.equal(await table.compareAndSwap("k", { a: 1, b: 3 }, { a: 9 }), false);
  assert.equal(await table.compareAndSwap("k", { b: 2, a: 1 }, { a: 3 }), true);
  const newer = engine.table<{ a: number }>("t", { version: 2, migrations: { 1: (old) => old } });
  assert.equal(await newer.compareAndSwap("k", { a: 3 }, { a: 4 }), true);
  assert.equal(await newer.compareAndSwap("k", { a: 3 }, { a: 5 }), false);
  assert.equal(await newer.compareAndSwap("k", { a: 4 }, null), true);
  assert.equal(await newer.get("k"), null);
});

test("names and options that make no sense are refused when the table is made", async (t) => {
  const engine = await open(t);
  for (const name of ["", "a:b", "x".repeat(257), 5 as never]) {
    assert.throws(() => engine.table(name), { code: "INVALID_ARGUMENT", reason: "ERR_TABLE_NAME" });
  }
  const wrong = [
    "yaml",
    5,
    { codec: "yaml" },
    { codec: {} },
    { version: 0 },
    { version: 1.5 },
    { version: 2, readableFrom: 3 },
    { version: 3, migrations: { 1: () => 1 } },
    { migrations: { 1: () => 1 } },
    { migrations: { 0: "x" } },
    { parse: 5 },
    { codec: { encode: String, decode: String }, migrations: { 0: () => 1 } },
  ];
  for (const options of wrong) {
    assert.throws(() => engine.table("t", options as never), { reason: "ERR_TABLE_OPTION" }, JSON.stringify(options));
  }
  assert.throws(
    () => engine.table("t", { migration: {} } as never),
    (error) => error instanceof InvalidArgumentError && /did you mean migrations/.test(error.message),
  );
});
