import assert from "node:assert/strict";
import { test } from "node:test";
import { createLedger, type LedgerEngine } from "../../../src/testing/index.js";
import { StallMeter } from "../../../src/testing/ledger/stall-meter.js";
import { failure, ObedientEngine, rejected, verdict } from "../../support/obedient-engine.js";
import { until } from "../../support/until.js";

test("finds nothing where every operation does what it says", async () => {
  const found = await verdict(async (ledger) => {
    await ledger.put("a", "1st");
    await ledger.compareAndSwap("a", "1st", "2nd");
    await ledger.compareAndSwap("a", "1st", "3rd");
    await ledger.get("a");
    await ledger.getAndDelete("a");
    await ledger.getAndDelete("a");
    await ledger.setIfNotExists("a", "4th");
    await ledger.setIfNotExists("a", "5th");
    await ledger.contains("a");
    await ledger.delete("a");
    await ledger.delete("a");
    await ledger.increment("n", 5);
    await ledger.increment("n", -2n);
  });
  assert.deepEqual(found, {});
});

test("lets writes of unknown outcome be there or not", async () => {
  for (const isApplied of [true, false]) {
    const found = await verdict(async (ledger, engine) => {
      await ledger.put("a", "1st");
      await ledger.increment("n");
      engine.put = async (key, value) => {
        if (isApplied) engine.data.set(key, value);
        throw failure("unknown");
      };
      engine.increment = async (key) => {
        if (isApplied) engine.data.set(key, "2");
        throw failure("unknown");
      };
      await rejected(ledger.put("a", "2nd"));
      await rejected(ledger.increment("n"));
      await ledger.get("a");
    });
    assert.deepEqual(found, {});
  }
});

test("finds an acknowledged increment that was applied twice", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.increment("n");
    await ledger.increment("n");
    engine.data.set("n", "3");
  });
  assert.deepEqual(found, { duplicate: 1 });
});

test("finds an increment of unknown outcome that was applied twice, by the next one's result", async () => {
  const found = await verdict(async (ledger, engine) => {
    const { increment } = engine;
    engine.increment = async (key) => {
      engine.data.set(key, "2");
      throw failure("unknown");
    };
    await rejected(ledger.increment("n"));
    engine.increment = increment;
    await ledger.increment("n");
  });
  assert.deepEqual(found, { duplicate: 1 });
});

test("finds conditional operations whose second execution answered", async () => {
  const found = await verdict(async (ledger, engine) => {
    const twice = <A extends unknown[], R>(operation: (...given: A) => Promise<R>) => {
      return async (...given: A): Promise<R> => {
        await operation.apply(engine, given);
        return operation.apply(engine, given);
      };
    };
    await ledger.put("swapped", "1st");
    await ledger.put("taken", "1st");
    await ledger.put("deleted", "1st");
    engine.setIfNotExists = twice(engine.setIfNotExists);
    engine.compareAndSwap = twice(engine.compareAndSwap);
    engine.getAndDelete = twice(engine.getAndDelete);
    engine.delete = twice(engine.delete);
    await ledger.setIfNotExists("created", "1st");
    await ledger.compareAndSwap("swapped", "1st", "2nd");
    await ledger.getAndDelete("taken");
    await ledger.delete("deleted");
  });
  assert.deepEqual(found, { duplicate: 4 });
});

test("finds acknowledged writes that are gone", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.put("a", "1st");
    await ledger.increment("n");
    await ledger.increment("n");
    await ledger.put("b", "1st");
    engine.data.delete("a");
    engine.data.set("n", "1");
    engine.data.delete("b");
    await ledger.get("b");
  });
  assert.deepEqual(found, { "lost-ack": 3 });
});

test("finds an older write over a newer one, acknowledged or unknown, in the store and in what was read", async () => {
  const found = await verdict(async (ledger, engine) => {
    const { put } = engine;
    await ledger.put("a", "1st");
    await ledger.put("a", "2nd");
    engine.put = async () => {
      throw failure("unknown");
    };
    await rejected(ledger.put("b", "1st"));
    engine.put = put;
    await ledger.put("b", "2nd");
    engine.data.set("a", "1st");
    engine.data.set("b", "1st");
    await ledger.get("b");
  });
  assert.deepEqual(found, { "stale-overwrite": 2 });
});

test("finds writes that took effect although they were reported not applied", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.put("gone", "1st");
    engine.put = async (key, value) => {
      engine.data.set(key, value);
      throw failure("not-applied");
    };
    engine.increment = async (key) => {
      engine.data.set(key, "1");
      throw failure("not-applied");
    };
    engine.delete = async (key) => {
      engine.data.delete(key);
      throw failure("not-applied");
    };
    await rejected(ledger.put("a", "1st"));
    await rejected(ledger.increment("n"));
    await rejected(ledger.delete("gone"));
    await rejected(ledger.put("read", "1st"));
    await ledger.get("read");
  });
  assert.deepEqual(found, { "wrong-not-applied": 4 });
});

test("finds reads of what was never written", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.put("a", "1st of a");
    await ledger.put("b", "1st of b");
    const { get } = engine;
    engine.get = async () => Buffer.from("1st of b");
    await ledger.get("a");
    engine.get = get;
    engine.data.set("a", "1st of b");
  });
  assert.deepEqual(found, { "wrong-read": 1 });
});

test("finds calls that have not settled", async () => {
  const found = await verdict(async (ledger, engine) => {
    engine.put = () => new Promise(() => {});
    void ledger.put("a", "1st");
    assert.equal(ledger.pending, 1);
  });
  assert.deepEqual(found, { unsettled: 1 });
});

test("finds calls that settled after their deadline, but forgives what a busy event loop took", async () => {
  const meter = new StallMeter();
  const found = await verdict(async (ledger, engine) => {
    const { put } = engine;
    engine.put = async (key, value) => {
      const fromMs = performance.now();
      // A loaded machine stalls by itself: what counts is how long the loop had its chance.
      await until("the loop has run for long enough", () => {
        const nowMs = performance.now();
        return nowMs - fromMs - meter.stalledMs(fromMs, nowMs) > 200;
      });
      await put.call(engine, key, value);
    };
    await ledger.put("a", "1st");
    await ledger.put("b", "1st", { timeoutMs: 60_000 });
    engine.put = async (key, value) => {
      await new Promise((resolve) => setTimeout(resolve, 80));
      await put.call(engine, key, value);
    };
    const busy = ledger.put("c", "1st", { timeoutMs: 70 });
    const untilMs = performance.now() + 300;
    while (performance.now() < untilMs);
    await busy;
  });
  meter.stop();
  assert.deepEqual(found, { late: 1 });
});

test("names the calls that led to a violation", async () => {
  const engine = new ObedientEngine();
  const ledger = createLedger(engine as unknown as LedgerEngine);
  await ledger.put("a", "1st");
  await ledger.put("a", "2nd");
  const report = await ledger.verify(async () => [Buffer.from("1st")]);
  ledger.stop();
  const [example] = report.examples;
  assert.equal(example?.kind, "stale-overwrite");
  assert.equal(example?.key, "a");
  assert.match(example?.detail ?? "", /the store holds "1st", possible: "2nd"/);
  assert.deepEqual(
    example?.history.map((line) => line.replace(/^@[\d.]+ /, "").replace(/ \d+ ms$/, "")),
    ['put("1st"): undefined', 'put("2nd"): undefined'],
  );
});
