import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mutation } from "../../../src/index.js";
import { failure, type ObedientEngine, rejected, verdict } from "../../support/obedient-engine.js";

const bothKeys: readonly Mutation[] = [
  { type: "put", key: "a", value: "2nd" },
  { type: "put", key: "b", value: "2nd" },
];

/** A transaction that fails after so many of its steps, with an unknown outcome. */
function breaksAfter(engine: ObedientEngine, steps: number): void {
  engine.transaction = async (mutations) => {
    for (const step of [...mutations].slice(0, steps)) engine.carryOut(step);
    throw failure("unknown");
  };
}

test("finds nothing where calls on many keys do what they say", async () => {
  const found = await verdict(async (ledger) => {
    await ledger.batchPut([
      ["a", "1st"],
      ["b", "1st"],
      ["a", "2nd"],
    ]);
    await ledger.batchGet(["a", "b", "c"]);
    await ledger.transaction([
      { type: "put", key: "c", value: "1st" },
      { type: "delete", key: "a" },
      { type: "expire", key: "b", ttlMs: 60_000 },
    ]);
    await ledger.batchGet(["a", "b", "c"]);
    await ledger.batchDelete(["a", "b"]);
    await ledger.clear("c");
    await ledger.get("c");
  });
  assert.deepEqual(found, {});
});

test("lets each key of a batch of unknown outcome be written or not", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.batchPut([
      ["a", "1st"],
      ["b", "1st"],
    ]);
    engine.batchPut = async () => {
      engine.set("a", "2nd");
      throw failure("unknown");
    };
    engine.batchDelete = async () => {
      engine.remove("b");
      throw failure("unknown");
    };
    await rejected(
      ledger.batchPut([
        ["a", "2nd"],
        ["b", "2nd"],
      ]),
    );
    await rejected(ledger.batchDelete(["a", "b"]));
  });
  assert.deepEqual(found, {});
});

test("finds keys of a batch that were lost, or written although the batch was not applied", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.batchPut([
      ["a", "1st"],
      ["b", "1st"],
    ]);
    engine.remove("b");
    engine.batchPut = async () => {
      engine.set("c", "1st");
      throw failure("not-applied");
    };
    await rejected(ledger.batchPut([["c", "1st"]]));
  });
  assert.deepEqual(found, { "lost-ack": 1, "wrong-not-applied": 1 });
});

test("finds a batch of reads that gives a neighbour's value", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.batchPut([
      ["a", "1st of a"],
      ["b", "1st of b"],
    ]);
    const { batchGet } = engine;
    engine.batchGet = async () => [Buffer.from("1st of a"), Buffer.from("1st of a")];
    await ledger.batchGet(["a", "b"]);
    engine.batchGet = batchGet;
    await ledger.batchPut([["b", "2nd of b"]]);
  });
  assert.deepEqual(found, { "wrong-read": 1 });
});

test("finds counts of removed keys that cannot be", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.batchPut([
      ["a", "1st"],
      ["b", "1st"],
      ["c", "1st"],
    ]);
    const { batchDelete, clear } = engine;
    engine.batchDelete = async (keys) => (await batchDelete.call(engine, keys)) - 1;
    await ledger.batchDelete(["a", "b"]);
    engine.batchDelete = batchDelete;
    engine.clear = async (prefix) => (await clear.call(engine, prefix)) + 1;
    await ledger.clear("c");
  });
  assert.deepEqual(found, { duplicate: 1, "wrong-read": 1 });
});

test("finds a transaction that failed in the middle, in the store and by what was read before it was overwritten", async () => {
  for (const seen of ["in the store", "by a read"]) {
    const found = await verdict(async (ledger, engine) => {
      await ledger.put("a", "1st");
      await ledger.put("b", "1st");
      breaksAfter(engine, 1);
      await rejected(ledger.transaction(bothKeys));
      if (seen === "in the store") return;
      await ledger.batchGet(["a", "b"]);
      await ledger.put("a", "3rd");
      await ledger.delete("b");
    });
    assert.deepEqual(found, { "torn-transaction": 1 }, seen);
  }
});

test("lets a transaction of unknown outcome take effect as a whole, not at all, or unseen", async () => {
  for (const steps of [0, 2]) {
    const found = await verdict(async (ledger, engine) => {
      await ledger.put("a", "1st");
      breaksAfter(engine, steps);
      await rejected(ledger.transaction(bothKeys));
    });
    assert.deepEqual(found, {}, `${steps} steps`);
  }
  const found = await verdict(async (ledger, engine) => {
    breaksAfter(engine, 1);
    await rejected(ledger.transaction(bothKeys));
    await ledger.put("a", "3rd");
  });
  assert.deepEqual(found, {}, "whose trace was overwritten");
});

test("finds a transaction torn by what another transaction proves", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.put("a", "0");
    await ledger.put("c", "0");
    breaksAfter(engine, 1);
    // Of the first only the deletion of a is done, of the second nothing: that a is absent could be either's doing.
    await rejected(
      ledger.transaction([
        { type: "delete", key: "a" },
        { type: "put", key: "b", value: "1st" },
      ]),
    );
    breaksAfter(engine, 0);
    await rejected(
      ledger.transaction([
        { type: "delete", key: "a" },
        { type: "put", key: "c", value: "1st" },
      ]),
    );
  });
  assert.deepEqual(found, { "torn-transaction": 1 });
});

test("finds what a transaction did though it was not applied, and did not do though it was acknowledged", async () => {
  const found = await verdict(async (ledger, engine) => {
    await ledger.put("a", "1st");
    engine.transaction = async () => {
      engine.set("a", "2nd");
      throw failure("not-applied");
    };
    await rejected(ledger.transaction(bothKeys));
    engine.transaction = async () => engine.set("c", "1st");
    await ledger.transaction([
      { type: "put", key: "c", value: "1st" },
      { type: "put", key: "d", value: "1st" },
    ]);
  });
  assert.deepEqual(found, { "wrong-not-applied": 1, "lost-ack": 1 });
});
