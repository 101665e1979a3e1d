import assert from "node:assert/strict";
import { plainOptions, RefusingEnvelope } from "./driver-context.js";
import { type Check, lacksTransactions } from "./subject.js";

export const transactionChecks: readonly Check[] = [
  {
    name: "a transaction puts and deletes together",
    lacks: lacksTransactions,
    async run(subject) {
      await subject.batch((probe) => Promise.all([probe.put("a", "1"), probe.put("b", "1")]));
      await subject.batch((probe) =>
        probe.transaction([
          { type: "put", key: "c", value: "2", ttlMs: 0 },
          { type: "delete", key: "a" },
          { type: "put", key: "b", value: "2", ttlMs: 0 },
          { type: "delete", key: "nothing" },
          { type: "delete", key: "c" },
          { type: "put", key: "c", value: "3", ttlMs: 0 },
        ]),
      );
      const values = await subject.batch((probe) => Promise.all([probe.get("a"), probe.get("b"), probe.get("c")]));
      assert.deepEqual(
        values.map((value) => value?.toString()),
        [undefined, "2", "3"],
      );
    },
  },
  {
    name: "a transaction sets lifetimes",
    lacks: (subject) =>
      lacksTransactions(subject) ?? (subject.capabilities.expiry ? undefined : "capabilities.expiry is false"),
    async run(subject) {
      await subject.put("a", "1");
      await subject.batch((probe) =>
        probe.transaction([
          { type: "expire", key: "a", ttlMs: 50_000 },
          { type: "put", key: "b", value: "1", ttlMs: 50_000 },
          { type: "expire", key: "nothing", ttlMs: 50_000 },
        ]),
      );
      const left = await subject.batch((probe) => Promise.all([probe.ttl("a"), probe.ttl("b"), probe.ttl("nothing")]));
      assert.ok(left[0]! > 40_000 && left[0]! <= 50_000);
      assert.ok(left[1]! > 40_000 && left[1]! <= 50_000);
      assert.equal(left[2], null);
    },
  },
  {
    name: "a transaction of which one value cannot be encoded changes nothing",
    lacks: lacksTransactions,
    context: { codec: new RefusingEnvelope(plainOptions) },
    async run(subject) {
      const [result] = await subject.batch((probe) =>
        Promise.allSettled([
          probe.transaction([
            { type: "put", key: "a", value: "1", ttlMs: 0 },
            { type: "put", key: "b", value: "bad", ttlMs: 0 },
          ]),
        ]),
      );
      assert.ok(result?.status === "rejected");
      assert.deepEqual(
        [result.reason.code, result.reason.outcome, result.reason.operation],
        ["BACKEND", "not-applied", "transaction"],
      );
      assert.equal(await subject.read("a"), null);
    },
  },
];
