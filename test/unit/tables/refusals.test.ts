import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { createEngine, type Engine, SerializationError, StateError } from "../../../src/index.js";
import type { TestScope } from "../../support/stores.js";

async function open(t: TestScope): Promise<Engine> {
  const engine = await createEngine("memory:");
  t.after(() => engine.close());
  return engine;
}

async function failureOf(call: Promise<unknown>): Promise<StateError> {
  const error = await call.then(
    () => assert.fail("the call should have failed"),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof StateError, inspect(error));
  return error;
}

test("every refusal is a typed error, whatever is wrong besides the value", async (t) => {
  const engine = await open(t);
  const table = engine.table<unknown>("t");
  const detached = new Uint8Array(8);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const decode = (bytes: Buffer): unknown => bytes;
  const gone = engine.table<unknown>("gone", { encode: () => detached, decode });
  const throwing = engine.table<unknown>("throwing", {
    encode() {
      throw Object.create(null);
    },
    decode,
  });
  const calls: Record<string, Promise<unknown>> = {
    "a key and a value that are none": table.put(5 as never, null),
    "nothing at all": table.put(undefined as never, undefined),
    "a swap": table.compareAndSwap(5 as never, undefined, 1),
    "a key whose memory is given away": table.put(detached, null),
    "an entry": table.batchPut([[7, undefined]] as never),
    "keys that only look iterable": table.batchGet({ [Symbol.iterator]: 5 } as never),
    "entries that only look iterable": table.batchPut({ [Symbol.iterator]: 5 } as never),
    "a codec that gives its memory away": gone.put("k", 1),
    "a codec that throws no error": throwing.put("k", 1),
  };
  for (const [name, call] of Object.entries(calls)) {
    assert.equal((await failureOf(call)).outcome, "not-applied", name);
  }
  assert.equal(await gone.contains("k"), false);
});

test("a value whose form stands for a key that is not there is refused", async (t) => {
  const engine = await open(t);
  const hooked = (result: unknown): object => ({ toJSON: () => result });
  const values = {
    json: [Number.NaN, Number.NEGATIVE_INFINITY, new Date(Number.NaN), hooked(null), hooked(undefined)],
    msgpack: [hooked(null), hooked(undefined)],
  };
  for (const codec of ["json", "msgpack"] as const) {
    const table = engine.table<unknown>("t", codec);
    for (const value of values[codec]) {
      assert.equal((await failureOf(table.put("k", value))).reason, "ERR_ENCODE");
      assert.equal((await failureOf(table.setIfNotExists("k", value))).reason, "ERR_ENCODE");
    }
    assert.equal(await table.contains("k"), false);
    await table.put("k", { inside: hooked(null) });
    assert.deepEqual(await table.get("k"), { inside: null });
    await table.delete("k");
  }
});

test("errors name the backend and never show the value, neither in their words nor in their cause", async (t) => {
  const engine = await open(t);
  const [json, msgpack] = [engine.table<unknown>("t"), engine.table<unknown>("t", "msgpack")];
  const circle: Record<string, unknown> = {};
  circle["secret@example.org"] = circle;
  await engine.put("t:damaged", "\x01j1 [secret]");
  const failures = [
    msgpack.put("k", { card: 12345678901234567890123n }),
    json.put("k", circle),
    msgpack.put("k", circle),
    msgpack.put("k", new Map([[{ secret: 1 }, 2]])),
    msgpack.put("k", "secret\ud800"),
    json.get("damaged"),
  ];
  for (const call of failures) {
    const error = await failureOf(call);
    assert.ok(error instanceof SerializationError);
    assert.equal(error.backend, "memory");
    assert.match(error.message, /on memory: table "t"/);
    assert.doesNotMatch(inspect(error), /secret|12345678901234567890123/);
  }
});

test("JSON that is nested without end on write is too deep, not without a form", async (t) => {
  const table = (await open(t)).table<unknown>("t");
  let deep: unknown = 1;
  for (let level = 0; level < 200_000; level++) deep = [deep];
  assert.equal((await failureOf(table.put("k", deep))).reason, "ERR_NESTING");
});

test("calls with many keys take no more of them than a call may have, and none when the engine is closed", async (t) => {
  const engine = await open(t);
  const table = engine.table<number>("t");
  let taken = 0;
  let left = 0;
  function* endless<E>(entry: E): Generator<E, void> {
    try {
      for (;;) {
        taken++;
        yield entry;
      }
    } finally {
      left++;
    }
  }
  assert.equal((await failureOf(table.batchGet(endless("k")))).reason, "ERR_BATCH_TOO_LARGE");
  assert.equal((await failureOf(table.batchPut(endless(["k", 1] as const)))).reason, "ERR_BATCH_TOO_LARGE");
  assert.deepEqual([taken, left], [2 * 1_000_001, 2]);
  await engine.close();
  assert.equal((await failureOf(table.batchPut(endless(["k", 1] as const)))).code, "CLOSED");
  assert.equal((await failureOf(table.batchGet(endless("k")))).code, "CLOSED");
  assert.equal(taken, 2 * 1_000_001);
});

test("options that would be passed over are refused when the table is made", async (t) => {
  const engine = await open(t);
  const codec = { encode: String, decode: String };
  const wrong: Record<string, unknown> = {
    "a version in the codec": { ...codec, version: 7 },
    "a check in the codec": { ...codec, parse: Number },
    "migrations in a Map": { version: 2, migrations: new Map([[1, String]]) },
    "migrations in an array": { version: 2, migrations: [String, String] },
    "a migration for all": { version: 2, migrations: String },
    "no migrations": { version: 2, migrations: null },
  };
  for (const [name, options] of Object.entries(wrong)) {
    assert.throws(() => engine.table("t", options as never), { reason: "ERR_TABLE_OPTION" }, name);
  }
  assert.throws(() => engine.table("t", { ...codec, version: 7 } as never), /\{ codec, version \}/);
});
