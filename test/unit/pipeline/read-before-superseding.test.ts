import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryDriver } from "../../../src/backends/memory/memory-driver.js";
import { createEngine, StateError } from "../../../src/index.js";
import { FaultyDriver } from "../../support/faulty-driver.js";

test("a read between two puts, of which the first was given up and the second's answer was lost, never sees the second", async (t) => {
  const driver = new FaultyDriver(createMemoryDriver());
  const engine = await createEngine({ backend: driver, retry: { baseDelayMs: 0 }, circuitBreaker: false });
  t.after(() => engine.close());
  const release = driver.holdAnswers();
  let attempts = 0;
  driver.plan = { fate: () => (attempts++ === 0 ? "lost" : "done"), turnsLate: () => 0 };

  const first = engine.put("key", "first", { timeoutMs: 5 });
  const read = engine.get("key").catch((error: unknown) => error);
  const second = engine.put("key", "second");
  await assert.rejects(first, { code: "TIMEOUT", outcome: "unknown" });
  release();

  const seen = await read;
  assert.ok(seen instanceof StateError, `the read saw ${String(seen)}`);
  assert.equal(seen.outcome, "not-applied");
  await second;
  assert.equal(String(await engine.get("key")), "second");
});

test("a delete behind a put of the same batch is not sent again once its answer was lost", async (t) => {
  const driver = new FaultyDriver(createMemoryDriver());
  const engine = await createEngine({ backend: driver, retry: { baseDelayMs: 0 }, circuitBreaker: false });
  t.after(() => engine.close());
  await engine.put("key", "before");
  const release = driver.holdAnswers();
  let attempts = 0;
  driver.plan = { fate: () => (attempts++ === 0 ? "lost" : "done"), turnsLate: () => 0 };

  const put = engine.put("key", "value", { timeoutMs: 5 });
  const deleted = engine.delete("key").catch((error: unknown) => error);
  await assert.rejects(put, { code: "TIMEOUT", outcome: "unknown" });
  release();

  const answer = await deleted;
  assert.ok(answer instanceof StateError, `the delete answered ${String(answer)}, and there was a key to delete`);
  assert.equal(answer.outcome, "unknown");
});
