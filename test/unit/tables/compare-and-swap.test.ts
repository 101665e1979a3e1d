import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createMemoryDriver } from "../../../src/backends/memory/memory-driver.js";
import { Kind, type Request } from "../../../src/backends/request.js";
import { createEngine, type Engine, type EngineOptions, type Table } from "../../../src/index.js";
import { FaultyDriver } from "../../support/faulty-driver.js";
import type { TestScope } from "../../support/stores.js";

interface Place {
  readonly engine: Engine;
  readonly driver: FaultyDriver;
  /** Holds `{ a: 1, b: 2 }` under `k`. */
  readonly table: Table<Record<string, number>>;
  /** All that the store was asked since. */
  readonly asked: Request[];
}

async function place(t: TestScope, options: EngineOptions = {}): Promise<Place> {
  const driver = new FaultyDriver(createMemoryDriver());
  const engine = await createEngine({ ...options, backend: driver, retry: { retries: 0 } });
  t.after(() => engine.close());
  const table = engine.table<Record<string, number>>("t");
  await table.put("k", { a: 1, b: 2 });
  const asked: Request[] = [];
  driver.onExecute = (batch) => batch.forEachLeader((leader) => void asked.push(leader));
  return { engine, driver, table, asked };
}

test("all steps of a swap by value share one deadline, given or not", async (t) => {
  for (const timeoutMs of [undefined, 2000]) {
    const { driver, table, asked } = await place(t, { timeouts: { operationMs: 3000 } });
    const release = driver.holdAnswers();
    const options = timeoutMs === undefined ? {} : { timeoutMs };
    const swapped = table.compareAndSwap("k", { b: 2, a: 1 }, { a: 3 }, options);
    await delay(30);
    release();
    assert.equal(await swapped, true);
    assert.deepEqual(
      asked.map(({ kind }) => kind),
      [Kind.compareAndSwap, Kind.get, Kind.compareAndSwap],
    );
    assert.equal(asked[0]!.timeoutMs, timeoutMs ?? 3000);
    // Some less than was waited: timers may fire a little early.
    assert.ok(asked[1]!.timeoutMs <= asked[0]!.timeoutMs - 25, `${asked[1]!.timeoutMs} ms are left`);
    assert.ok(asked[2]!.timeoutMs <= asked[1]!.timeoutMs, `${asked[2]!.timeoutMs} ms are left`);
  }
});

test("a read that decides on a swap fails with the store, though other reads are answered as absent", async (t) => {
  const { engine, driver, table } = await place(t, { degraded: { reads: "miss" } });
  driver.plan = { ...driver.plan, fate: ({ kind }) => (kind === Kind.get ? "refused" : "done") };
  assert.equal(await table.get("k"), null);
  await assert.rejects(table.compareAndSwap("k", { b: 2, a: 1 }, { a: 3 }), {
    reason: "ERR_PLANNED",
    operation: "compareAndSwap",
    outcome: "not-applied",
    key: "t:k",
  });
  assert.equal(engine.stats().degraded.answeredAbsent, 1);
});

test("errors of a later step name the call", async (t) => {
  const { engine, table } = await place(t);
  const swapped = table.compareAndSwap("k", { b: 2, a: 1 }, { a: 3 });
  const failed = assert.rejects(swapped, { code: "CLOSED", operation: "compareAndSwap", message: /^compareAndSwap/ });
  await Promise.all([engine.close(), failed]);
});

test("a record that changes between the steps is not swapped", async (t) => {
  const { driver, table } = await place(t);
  let changes = 0;
  driver.onExecute = (batch) => {
    if (batch.reads.length > 0 && changes++ === 0) void table.put("k", { a: 9 });
  };
  assert.equal(await table.compareAndSwap("k", { b: 2, a: 1 }, { a: 3 }), false);
  assert.deepEqual(await table.get("k"), { a: 9 });
});
