import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Engine } from "../../src/index.js";
import { losing, type ValueToLose, WAYS_TO_LOSE } from "../support/lost-memory.js";
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
    for (const way of WAYS_TO_LOSE) {
      test(`${store.name}: ${name} whose value was ${way} after the call fails alone and changes nothing`, async (t) => {
        nothingEscapes(t);
        const engine = await (await store.place(t)).open();
        await engine.batchPut(["spoilt", "a", "b", "d"].map((key) => [key, "old"]));
        const value = losing(64, way);
        const calls = [
          engine.put("a", "new"),
          engine.get("b"),
          call(engine, value.bytes),
          engine.put("c", "new", { ttlMs: MINUTE_MS }),
          engine.increment("n"),
          engine.delete("d"),
        ];
        value.lose();
        const [first, second, spoilt, ...others] = await Promise.all(
          calls.map((each) => settled(each as Promise<unknown>)),
        );
        refusedAsLost(spoilt!);
        for (const ending of [first!, second!, ...others]) assert.ok(ending.ok);
        assert.equal(await textAt(engine, "spoilt"), "old");
        assert.equal(await engine.get("spoilt, too"), null);
        assert.deepEqual(await Promise.all(["a", "c", "n", "d"].map((key) => textAt(engine, key))), [
          "new",
          "new",
          "1",
          null,
        ]);
      });
    }
  }

  test(`${store.name}: a value that goes while its put is under way harms neither the put nor the process`, async (t) => {
    nothingEscapes(t);
    const engine = await (await store.place(t)).open();
    for (const way of WAYS_TO_LOSE) {
      for (let turns = 0; turns < 4; turns++) {
        const value = losing(64, way);
        const [put, got] = [settled(engine.put("a", value.bytes)), settled(engine.get("a"))];
        for (let i = 0; i < turns; i++) await turn();
        value.lose();
        await onlyLost(put, value);
        await onlyLost(got, value);
      }
    }
    await engine.put("a", "alive");
    assert.equal(await textAt(engine, "a"), "alive");
  });

  test(`${store.name}: a value that goes before codec threads have it costs its put alone`, async (t) => {
    nothingEscapes(t);
    const compression = { codec: "zstd", thresholdBytes: 64 } as const;
    const workers = { threads: 1, offload: "always" } as const;
    const engine = await (await store.place(t)).open({ compression, workers });
    for (const way of WAYS_TO_LOSE) {
      for (let turns = 0; turns < 4; turns++) {
        const value = losing(50_000, way);
        const puts = ["a", "b"].map((key) => engine.put(key, `text of ${key} `.repeat(5000)));
        const spoilt = settled(engine.put("spoilt", value.bytes));
        for (let i = 0; i < turns; i++) await turn();
        value.lose();
        await onlyLost(spoilt, value);
        await Promise.all(puts);
      }
    }
    assert.equal(await textAt(engine, "b"), "text of b ".repeat(5000));
    assert.equal(engine.stats().workers?.jobs.lost, 0);
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
