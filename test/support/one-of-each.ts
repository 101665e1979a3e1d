import assert from "node:assert/strict";
import type { Engine } from "../../src/index.js";

/** Has an engine do one thing of each kind with keys that begin like this, and leaves none of them. */
export async function oneOfEach(engine: Engine, key: string): Promise<void> {
  await Promise.all([engine.put(key, "1"), engine.put(`${key}2`, "2", { ttlMs: 60_000 })]);
  assert.deepEqual((await engine.batchGet([key, `${key}2`, "absent"])).map(String), ["1", "2", "null"]);
  assert.equal(await engine.increment(key), 2n);
  await engine.transaction([
    { type: "put", key: `${key}3`, value: "3" },
    { type: "delete", key: `${key}2` },
  ]);
  assert.deepEqual(await engine.listKeys(key), [key, `${key}3`]);
  assert.equal(await engine.batchDelete([key, `${key}2`, `${key}3`]), 2);
}
