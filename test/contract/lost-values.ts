import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Engine } from "../../src/index.js";
import { losing, resizableMemory, type ValueToLose } from "../support/lost-memory.js";
import { nothingEscapes, type Settled, settled } from "../support/outcomes.js";
import type { Store } from "../support/stores.js";
import { textAt } from "./single-key-calls.js";

const MINUTE_MS = 60_000;

/** Calls that are given bytes, to be made on a key that holds "old". */
const CALLS: Readonly<Record<string, (engine: Engine, value: Uint8Array) => Promise<unknown>>> = {
  put: (engine, value) => engine.put("spoilt", value),
  "put with a lifetime": (engine, value) => engine.put("spoilt", value, { ttlMs: MINUTE_MS }),
  setIfNotExists: (engine, value) => engine.setIfNotExists("spoilt, too", value),
  "compareAndSwap to it": (engine, value) => engine.compareAndSwap("spoilt", "old", value),
  "compareAndSwap from it": (engine, value) => engine.compareAndSwap("spoilt", value, "new"),
  transaction: (engine, value) =>
    engine.transaction([
      { type: "put", key: "spoilt", value: "new" },
      { type: "put", key: "spoilt, too", value },
    ]),
};

/** Values whose memory goes while they are in the engine's hands: a caller has handed it to another thread, say. */
export function testLostValues(store: Store): void {
  for (const [name, call] of Object.entries(CALLS)) {
    test(`${store.name}: ${name} whose value was transferred after the call fails alone and changes nothing`, async (t) => {
      nothingEscapes(t);
      const engine = await (await store.place(t)).open();
      await engine.batchPut(["spoilt", "a", "b", "d"].map((key) => [key, "old"]));
      const value = losing(64);
      const calls = [
        engine.put("a", "new"),
        engine.get("b"),
        call(engine, value.bytes),
        engine.put("c", "new", { ttlMs: MINUTE_MS }),
        engine.increment("n"),
        engine.delete("d"),
      ];
      value.lose();
      const endings = await Promise.all(calls.map((each) => settled(each as Promise<unknown>)));
      refusedAsLost(endings[2]!);
      for (const ending of endings.toSpliced(2, 1)) assert.ok(ending.ok);
      assert.equal(await textAt(engine, "spoilt"), "old");
      assert.equal(await engine.get("spoilt, too"), null);
      const after = await Promise.all(["a", "c", "n", "d"].map((key) => textAt(engine, key)));
      assert.deepEqual(after, ["new", "new", "1", null]);
    });
  }

  test(`${store.name}: calls of the same key before and after a value that was transferred are carried out`, async (t) => {
    nothingEscapes(t);
    const engine = await (await store.place(t)).open();
    await engine.put("k", "old");
    const values = [losing(64), losing(64), losing(64)];
    const calls = [
      engine.get("k"),
      engine.contains("k"),
      engine.delete("k"),
      engine.get("k"),
      engine.put("k", values[0]!.bytes),
      engine.put("k", "good"),
      engine.get("k"),
      engine.put("k", values[1]!.bytes),
      engine.get("k"),
      engine.put("alone", values[2]!.bytes),
      ...Array.from({ length: 20 }, (_, index) => engine.put(`neighbour ${index}`, "1")),
    ];
    for (const value of values) value.lose();
    const endings = await Promise.all(calls.map((each) => settled(each as Promise<unknown>)));
    const shown = endings.slice(0, 10).map((ending) => {
      if (!ending.ok) return ending.error.reason;
      return Buffer.isBuffer(ending.value) ? String(ending.value) : ending.value;
    });
    const lost = "ERR_VALUE_UNSTABLE";
    // The first of them was superseded by one that was written.
    assert.deepEqual(shown, ["old", true, true, null, undefined, undefined, "good", lost, "good", lost]);
    assert.ok(endings.slice(10).every(({ ok }) => ok));
    assert.equal(await textAt(engine, "k"), "good");
    const lone = losing(64);
    const put = settled(engine.put("k", lone.bytes));
    lone.lose();
    refusedAsLost(await put);
    await engine.flush();
  });

  test(`${store.name}: a value that goes while its put is under way harms neither the put nor the process`, async (t) => {
    nothingEscapes(t);
    const engine = await (await store.place(t)).open();
    for (let turns = 0; turns < 6; turns++) {
      const value = losing(64);
      const [put, got] = [settled(engine.put("a", value.bytes)), settled(engine.get("a"))];
      for (let i = 0; i < turns; i++) await turn();
      value.lose();
      await onlyLost(put, value);
      await onlyLost(got, value);
    }
    await engine.put("a", "alive");
    assert.equal(await textAt(engine, "a"), "alive");
  });

  test(`${store.name}: a value that goes before codec threads have it costs its put alone`, async (t) => {
    nothingEscapes(t);
    const compression = { codec: "zstd", thresholdBytes: 64 } as const;
    const workers = { threads: 1, offload: "always" } as const;
    const engine = await (await store.place(t)).open({ compression, workers });
    for (let turns = 0; turns < 6; turns++) {
      const value = losing(50_000);
      const puts = ["a", "b"].map((key) => engine.put(key, `text of ${key} `.repeat(5000)));
      const spoilt = settled(engine.put("spoilt", value.bytes));
      for (let i = 0; i < turns; i++) await turn();
      value.lose();
      await onlyLost(spoilt, value);
      await Promise.all(puts);
    }
    assert.equal(await textAt(engine, "b"), "text of b ".repeat(5000));
    assert.equal(engine.stats().workers?.jobs.lost, 0);
  });

  test(`${store.name}: bytes of memory that is resized after the call are stored and compared as they were`, async (t) => {
    const engine = await (await store.place(t)).open();
    await engine.put("swapped", Buffer.alloc(64, 0x61));
    const calls = [];
    const memories = [];
    for (const [index, bytes] of [8, 100].entries()) {
      const memory = resizableMemory(64);
      memories.push([memory, bytes] as const);
      const [whole, part] = [new Uint8Array(memory).fill(0x61), new Uint8Array(memory, 0, 64)];
      calls.push(engine.put(`whole ${index}`, whole), engine.put(`part ${index}`, part));
      calls.push(engine.batchPut([[`batch ${index}`, whole]]), engine.setIfNotExists(`new ${index}`, whole));
      calls.push(engine.transaction([{ type: "put", key: `step ${index}`, value: whole }]));
      if (index === 0) calls.push(engine.compareAndSwap("swapped", whole, part));
    }
    for (const [memory, bytes] of memories) memory.resize(bytes);
    await Promise.all(calls as readonly Promise<unknown>[]);
    const keys = ["whole", "part", "batch", "new", "step"].flatMap((name) => [`${name} 0`, `${name} 1`]);
    for (const value of await engine.batchGet([...keys, "swapped"])) assert.equal(String(value), "a".repeat(64));
  });
}

/** It may have been in time. */
async function onlyLost(call: Promise<Settled<unknown>>, value: ValueToLose): Promise<void> {
  const ending = await call;
  if (!ending.ok) refusedAsLost(ending);
  else if (Buffer.isBuffer(ending.value)) assert.deepEqual(ending.value, value.was);
}

function refusedAsLost(ending: Settled<unknown>): void {
  assert.ok(!ending.ok, "it should have failed");
  const { code, reason, outcome } = ending.error;
  assert.deepEqual([code, reason, outcome], ["INVALID_ARGUMENT", "ERR_VALUE_UNSTABLE", "not-applied"]);
}
