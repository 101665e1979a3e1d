import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Driver } from "../../../../src/backends/contract.js";
import { createMemoryDriver } from "../../../../src/backends/memory/memory-driver.js";
import { describeDriver } from "../../../../src/testing/index.js";
import { driverContext, FakeClock, inOneBatch } from "../../../support/batch-probe.js";
import type { TestScope } from "../../../support/stores.js";
import { until } from "../../../support/until.js";

describeDriver({
  name: "memory",
  open() {
    const clock = new FakeClock();
    return { driver: createMemoryDriver({ clock }), advance: (ms) => clock.advance(ms) };
  },
});

async function openDriver(t: TestScope): Promise<{ driver: Driver; clock: FakeClock }> {
  const clock = new FakeClock();
  const driver = createMemoryDriver({ clock });
  await driver.open(driverContext());
  t.after(() => driver.close());
  return { driver, clock };
}

test("memory of expired entries is freed though nobody reads them", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { driver, clock } = await openDriver(t);
  await inOneBatch(driver, (probe) => {
    for (let i = 0; i < 10_000; i++) void probe.put(`passing ${i}`, "value", 1000 + i);
    return probe.put("lasting", "value");
  });
  assert.equal((await driver.serverInfo()).entries, "10001");
  const before = await driver.memoryUsage();
  for (let elapsedMs = 0; elapsedMs < 12_000; elapsedMs += 256) {
    clock.advance(256);
    t.mock.timers.tick(256);
  }
  assert.equal((await driver.serverInfo()).entries, "1");
  assert.ok((await driver.memoryUsage()) < before / 1000);
});

test("memory usage returns to zero when all keys are gone", async (t) => {
  const { driver } = await openDriver(t);
  const keys = ["plain", "ключ", "\udc00\u00ff\u0000"];
  await inOneBatch(driver, (probe) => Promise.all(keys.map((key) => probe.put(key, "some value", 5000))));
  await inOneBatch(driver, (probe) => Promise.all(keys.map((key) => probe.put(key, "another, longer value"))));
  assert.ok((await driver.memoryUsage()) > 0);
  await inOneBatch(driver, (probe) => Promise.all(keys.map((key) => probe.delete(key))));
  assert.equal(await driver.memoryUsage(), 0);
});

test("a driver serves one engine at a time", async (t) => {
  const { driver } = await openDriver(t);
  await assert.rejects(driver.open(driverContext()), { code: "CONFIG" });
});

test("a key that was cut from a large text does not keep that text", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { driver } = await openDriver(t);
  collect();
  const before = process.memoryUsage().heapUsed;
  const text = 256 * 1024;
  for (let i = 0; i < 100; i++) {
    const key = (Buffer.alloc(text, "x").toString("latin1") + String(i).padStart(24, "0")).slice(-24);
    await inOneBatch(driver, (probe) => probe.put(key, "value"));
  }
  collect();
  assert.ok(process.memoryUsage().heapUsed - before < 20 * text);
});

test("what is kept takes about the memory that it is counted with, whatever is read meanwhile", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { driver } = await openDriver(t);
  const taken = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  await inOneBatch(driver, (probe) => probe.put("large", Buffer.alloc(4000, 1)));
  for (const valueBytes of [60, 1500, 3000]) {
    const [takenBefore, countedBefore] = [taken(), await driver.memoryUsage()];
    for (let i = 0; i < 2000; i++) {
      await inOneBatch(driver, (probe) => probe.put(`${valueBytes} ${i}`, "x".repeat(valueBytes)));
      await inOneBatch(driver, (probe) => Promise.all([probe.get("large"), probe.get("large")]));
    }
    for (let i = 0; i < 2000; i++) {
      await inOneBatch(driver, (probe) => probe.increment(`${valueBytes} counter ${i}`, 1n));
      await inOneBatch(driver, (probe) => Promise.all([probe.get("large"), probe.get("large")]));
    }
    const counted = (await driver.memoryUsage()) - countedBefore;
    // What is garbage already is not given back at once.
    await until(
      `no more is taken than ${counted} bytes counted, for values of ${valueBytes}`,
      () => taken() - takenBefore < counted * 1.75,
    );
  }
});

test("values of every length come back as they were put, by themselves and in scans", async (t) => {
  const { driver } = await openDriver(t);
  const values = [0, 1, 100, 1015, 1016, 1017, 4087, 4088, 4089, 5400, 5500, 20_000].map((length) =>
    Buffer.from(Array.from({ length }, (_, i) => (i * 7919) >> 3)),
  );
  await inOneBatch(driver, (probe) => Promise.all(values.map((value) => probe.put(`key ${value.length}`, value))));
  for (const value of values) {
    assert.deepEqual(await inOneBatch(driver, (probe) => probe.get(`key ${value.length}`)), value);
  }
  for await (const page of driver.scan("", true)) assert.deepEqual(page.values, values);
});
