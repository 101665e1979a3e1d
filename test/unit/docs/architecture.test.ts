import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import type { Driver } from "../../../src/backends/contract.js";
import { createMemoryDriver } from "../../../src/backends/memory/memory-driver.js";
import { createEngine, type Engine } from "../../../src/index.js";
import { readDocument, section, tableRows } from "./document.js";

const CALLS: Record<string, (engine: Engine) => Promise<unknown>> = {
  get: (engine) => engine.get("key"),
  contains: (engine) => engine.contains("key"),
  put: (engine) => engine.put("key", "1"),
  delete: (engine) => engine.delete("key"),
  setIfNotExists: (engine) => engine.setIfNotExists("key", "1"),
  getAndDelete: (engine) => engine.getAndDelete("key"),
  compareAndSwap: (engine) => engine.compareAndSwap("key", null, "1"),
  increment: (engine) => engine.increment("key"),
  ttl: (engine) => engine.ttl("key"),
  expire: (engine) => engine.expire("key", 60_000),
};
const OTHERWISE = "any other";

/** What the table says is sent for these calls: the number of requests in each batch. */
const sentBy = (cell: string): readonly number[] =>
  cell.startsWith("both") ? [2] : cell === "two batches" ? [1, 1] : [1];

const rows = tableRows(section(readDocument("docs/architecture.md"), "coalescing"));
const documented = new Map<string, readonly number[]>();
for (const [first, then, sent] of rows) {
  for (const before of first!.split(", ")) {
    for (const after of then!.split(", ")) documented.set(`${before} then ${after}`, sentBy(sent!));
  }
}

/** Makes the calls in one turn; resolves to how many requests each batch held for the store. */
async function batchesOf(names: readonly string[]): Promise<number[]> {
  const batches: number[] = [];
  const memory = createMemoryDriver();
  const driver = new Proxy(memory, {
    get(target, name) {
      if (name === "execute") {
        return (batch: Batch) => {
          let leaders = 0;
          batch.forEachLeader(() => leaders++);
          batches.push(leaders);
          target.execute(batch);
        };
      }
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  }) as Driver;
  const engine = await createEngine({ backend: driver });
  await Promise.all(names.map((name) => CALLS[name]!(engine)));
  await engine.close();
  return batches;
}

test("the table of coalescing in docs/architecture.md ends with what holds for all other pairs", () => {
  assert.ok(documented.size > 15);
  assert.deepEqual(documented.get(`${OTHERWISE} then `), [1, 1]);
});

test("pairs of calls on one key are sent as the table of coalescing in docs/architecture.md says", async () => {
  for (const first of Object.keys(CALLS)) {
    for (const then of Object.keys(CALLS)) {
      const expected = documented.get(`${first} then ${then}`) ?? documented.get(`${OTHERWISE} then `);
      assert.deepEqual(await batchesOf([first, then]), expected, `${first} then ${then}`);
    }
  }
  const three = ["delete", "put", "delete"];
  assert.deepEqual(await batchesOf(three), documented.get(three.join(" then ")));
});
