import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { createEngine, SerializationError, type Table } from "../../../src/index.js";
import { createMessagePackBody } from "../../../src/tables/message-pack-body.js";
import type { TestScope } from "../../support/stores.js";

async function open(t: TestScope): Promise<Table<unknown>> {
  const engine = await createEngine("memory:");
  t.after(() => engine.close());
  return engine.table<unknown>("m", "msgpack");
}

/** Asserts that it is refused for want of a form, wherever it stands, and that nothing is written. */
async function assertRefused(table: Table<unknown>, name: string, value: unknown): Promise<void> {
  for (const placed of [value, { a: [1, value] }, new Map([["a", new Set([value])]])]) {
    await assert.rejects(
      table.put("refused", placed),
      (error) => error instanceof SerializationError && error.reason === "ERR_ENCODE",
      name,
    );
  }
  assert.equal(await table.contains("refused"), false, name);
}

const anything = fc.anything({
  key: fc.string({ unit: "grapheme" }).filter((key) => key !== "__proto__" && key !== "toJSON"),
  values: [
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.boolean(),
    fc.constantFrom(null, undefined, Number.NaN, Number.POSITIVE_INFINITY),
  ],
  maxDepth: 4,
});

test("what is written is read back, and is byte for byte what other writers make of it", () => {
  const body = createMessagePackBody();
  const other = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
  fc.assert(
    fc.property(anything, (value) => {
      const written = Buffer.concat([Buffer.of(7), body.encode([value]) as Buffer]);
      assert.deepEqual(written.subarray(1), other.pack([value]));
      assert.deepEqual(body.decode(written, 1), other.unpack(other.pack([value])));
    }),
  );
});

test("every length of texts, bytes, arrays and objects has a form that is read back", async (t) => {
  const table = await open(t);
  for (const length of [0, 1, 15, 16, 31, 32, 33, 255, 256, 65_535, 65_536]) {
    const items = Array.from({ length }, (_, index) => index - 40_000);
    const value = {
      ascii: "a".repeat(length),
      wide: "é€😀".repeat(length),
      bytes: Buffer.alloc(length, 0xfe),
      items,
      object: Object.fromEntries(items.map((item) => [`k${item}`, item])),
    };
    await table.put("k", value);
    assert.deepEqual(await table.get("k"), value);
  }
});

test("bytes are stored as they are, whatever holds them", async (t) => {
  const table = await open(t);
  const memory = Uint8Array.of(9, 8, 7, 255, 0, 128).buffer;
  const held = [Buffer.from(memory, 1, 3), new Uint8Array(memory, 1, 3), new Uint8ClampedArray(memory, 1, 3)];
  for (const bytes of held) {
    await table.put("k", { bytes });
    assert.deepEqual(await table.get("k"), { bytes: Buffer.of(8, 7, 255) });
  }
  await table.put("k", memory);
  assert.deepEqual(await table.get("k"), Buffer.from(memory));
});

test("typed arrays that are more than bytes, and memory that is given away, are refused wherever they stand", async (t) => {
  const table = await open(t);
  const detached = new Uint8Array(8);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const refused = [
    new Float64Array([1.5, 300]),
    new Uint16Array([1, 300]),
    new Int8Array([-1]),
    new BigInt64Array([1n]),
    new DataView(new ArrayBuffer(3)),
    new SharedArrayBuffer(3),
    detached,
    detached.buffer,
  ];
  for (const value of refused) await assertRefused(table, Object.prototype.toString.call(value), value);
});

test("what would come back as something else is refused", async (t) => {
  const table = await open(t);
  const long = "x".repeat(70);
  const refused: Record<string, unknown> = {
    "a Map with objects as keys": new Map([[{ a: 1 }, 2]]),
    "a Map with Dates as keys": new Map([[new Date(0), 2]]),
    "a Map with a number and its text": new Map<unknown, unknown>([
      [1, "number"],
      ["1", "text"],
    ]),
    "the key __proto__": JSON.parse('{"__proto__":1,"a":2}'),
    "the key __proto__ in a Map": new Map([["__proto__", 1]]),
    "a short text with a lone surrogate": "a\ud800b",
    "a long text with a lone surrogate": `${long}\udc00`,
    "a key with a lone surrogate": { "a\ud800": 1 },
    "a bigint of 65 bits": 2n ** 64n,
    "a symbol": Symbol("s"),
  };
  for (const [name, value] of Object.entries(refused)) await assertRefused(table, name, value);
});

test("Map and Set come back as object and array, numbers as keys as text", async (t) => {
  const table = await open(t);
  const value = new Map<unknown, unknown>([
    ["set", new Set(["a", 1])],
    [7, new Map()],
  ]);
  await table.put("k", value);
  assert.deepEqual(await table.get("k"), { set: ["a", 1], 7: {} });
});

test("objects are stored as their toJSON says, which may use the table meanwhile", async (t) => {
  const table = await open(t);
  const inner: Promise<void>[] = [];
  const hooked = (result: unknown): object => ({
    toJSON() {
      inner.push(table.put("inner", { text: "i".repeat(5000) }));
      return result;
    },
  });
  await table.put("k", { before: "b", hooked: hooked({ at: new Date(5) }), after: "a" });
  await Promise.all(inner);
  assert.deepEqual(await table.get("k"), { before: "b", hooked: { at: new Date(5) }, after: "a" });
  assert.deepEqual(await table.get("inner"), { text: "i".repeat(5000) });
});

test("a value that contains itself is refused as such, one that is nested without end as too deep", async (t) => {
  const table = await open(t);
  const circle: Record<string, unknown> = {};
  circle.deeper = [circle];
  await assert.rejects(table.put("k", circle), { reason: "ERR_ENCODE", message: /it contains itself/ });
  let deep: unknown = 1;
  for (let level = 0; level < 20_000; level++) deep = { deep };
  await assert.rejects(table.put("k", deep), { reason: "ERR_NESTING" });
  await table.put("k", { twice: [circle.nothing, [], []] });
});

test("the memory that one large value took is not kept", () => {
  const body = createMessagePackBody();
  const keeps = (): number => (body.encode(1) as Buffer).buffer.byteLength;
  const usual = keeps();
  body.encode(Buffer.alloc(8 << 20));
  assert.throws(() => body.encode([Buffer.alloc(8 << 20), Symbol("s")]));
  assert.equal(keeps(), usual);
});
