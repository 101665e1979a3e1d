import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionError, type Outcome } from "../../../src/index.js";
import { createLedger, type Ledger, type LedgerEngine, type ViolationKind } from "../../../src/testing/index.js";

/** A store of text and an engine on it that does what it should, until a test replaces one of its operations. */
class ObedientEngine implements LedgerEngine {
  readonly data = new Map<string, string>();

  async get(key: string): Promise<Buffer | null> {
    const value = this.data.get(key);
    return value === undefined ? null : Buffer.from(value);
  }
  async contains(key: string): Promise<boolean> {
    return this.data.has(key);
  }
  async put(key: string, value: string): Promise<void> {
    this.data.set(key, value);
  }
  async delete(key: string): Promise<boolean> {
    return this.data.delete(key);
  }
  async setIfNotExists(key: string, value: string): Promise<boolean> {
    if (this.data.has(key)) return false;
    this.data.set(key, value);
    return true;
  }
  async getAndDelete(key: string): Promise<Buffer | null> {
    const value = await this.get(key);
    this.data.delete(key);
    return value;
  }
  async compareAndSwap(key: string, expected: string | null, next: string | null): Promise<boolean> {
    if ((this.data.get(key) ?? null) !== expected) return false;
    if (next === null) this.data.delete(key);
    else this.data.set(key, next);
    return true;
  }
  async increment(key: string, by: number | bigint = 1): Promise<bigint> {
    const sum = BigInt(this.data.get(key) ?? "0") + BigInt(by);
    this.data.set(key, String(sum));
    return sum;
  }
}

function failure(outcome: Outcome): ConnectionError {
  return new ConnectionError("the connection was lost", { outcome, reason: "ERR_CONNECTION" });
}

/** Runs a story against an engine and says which violations the ledger found in it. */
async function verdict(
  story: (ledger: Ledger, engine: ObedientEngine) => Promise<void>,
): Promise<Partial<Record<ViolationKind, number>>> {
  const engine = new ObedientEngine();
  const ledger = createLedger(engine as unknown as LedgerEngine, { operationMs: 20, budgetMs: 0 });
  try {
    await story(ledger, engine);
    const report = await ledger.verify(async (keys) =>
      keys.map((key) => (engine.data.has(key) ? Buffer.from(engine.data.get(key)!) : null)),
    );
    return Object.fromEntries(Object.entries(report.violations).filter(([, count]) => count > 0));
  } finally {
    ledger.stop();
  }
}

const rejected = (call: Promise<unknown>): Promise<void> => assert.rejects(call);

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
  const found = await verdict(async (ledger, engine) => {
    engine.put = (key, value) =>
      new Promise((resolve) => {
        setTimeout(() => {
          engine.data.set(key, value);
          resolve();
        }, 80);
      });
    await ledger.put("a", "1st");
    await ledger.put("b", "1st", { timeoutMs: 60_000 });
    const busy = ledger.put("c", "1st", { timeoutMs: 70 });
    const until = performance.now() + 300;
    while (performance.now() < until);
    await busy;
  });
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
