import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type Engine } from "../../../src/index.js";
import type { TestScope } from "../../support/stores.js";

const CACHE = { maxBytes: 1 << 20, ttlMs: 3_600_000 };

/** With "a" in its tier. */
async function openWithKept(t: TestScope): Promise<Engine> {
  const engine = await createEngine({ backend: "memory:", cache: CACHE, slowLog: { thresholdMs: 20, capacity: 64 } });
  t.after(() => engine.close());
  await engine.put("a", "1");
  await engine.get("a");
  return engine;
}

function workFor(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

/** From now on answers that the tier has wait for the next turn. */
function useUpTurn(engine: Engine): void {
  for (let i = 0; i < 40; i++) {
    void engine.get("a");
    if (i === 20) workFor(5);
  }
}

test("a batchGet that fails while what the tier has for it waits for the next turn fails to its caller only", async (t) => {
  const engine = await openWithKept(t);
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", onUnhandled);
  t.after(() => void process.off("unhandledRejection", onUnhandled));
  useUpTurn(engine);
  const abort = new AbortController();
  const read = engine.batchGet(["a", "b"], { signal: abort.signal }).catch((error) => error.code);
  abort.abort();
  assert.equal(await read, "ABORTED");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unhandled, []);
});

test("a batchGet of which the tier has all or a part is answered in order when the turn is used up", async (t) => {
  const engine = await openWithKept(t);
  await engine.put("b", "2");
  useUpTurn(engine);
  const reads = [engine.batchGet(["a", "a"]), engine.batchGet(["a", "b", "c", "a"]), engine.batchGet(["b"])];
  const texts = (await Promise.all(reads)).map((values) => values.map((value) => value?.toString() ?? null));
  assert.deepEqual(texts, [["1", "1"], ["1", "2", null, "1"], ["2"]]);
});

test("an answer of the tier that waits for the next turn takes as long as its caller waits", async (t) => {
  const engine = await openWithKept(t);
  useUpTurn(engine);
  const reads = [engine.get("a"), engine.batchGet(["a", "a"])];
  workFor(30);
  await Promise.all(reads);
  const { latency, slowOperations } = engine.stats();
  assert.ok(latency.get!.maxUs >= 30_000, `${latency.get!.maxUs}`);
  assert.ok(latency.batchGet!.maxUs >= 30_000, `${latency.batchGet!.maxUs}`);
  const slow = engine.slowOperations().filter(({ operation, key }) => operation === "batchGet" || key === "a");
  assert.ok(slowOperations >= 2 && slow.length === slowOperations, `${slow.length} of ${slowOperations}`);
});
