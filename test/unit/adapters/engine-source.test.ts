import assert from "node:assert/strict";
import { test } from "node:test";
import { EngineSource } from "../../../src/adapters/engine-source.js";
import { createMemoryDriver } from "../../../src/backends/memory/memory-driver.js";

test("every call that closes waits until the engine is closed", async () => {
  const driver = createMemoryDriver();
  const steps: string[] = [];
  const close = driver.close.bind(driver);
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  driver.close = async () => {
    await held;
    await close();
    steps.push("the store is closed");
  };
  const source = new EngineSource({ backend: driver });
  await source.engine();
  const first = source.close().then(() => steps.push("first"));
  const second = source.close().then(() => steps.push("second"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(steps, []);
  release();
  await Promise.all([first, second]);
  assert.deepEqual(steps, ["the store is closed", "first", "second"]);
  await source.close();
  await assert.rejects(source.engine(), { code: "CLOSED" });
});
