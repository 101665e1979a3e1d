import assert from "node:assert/strict";
import { type Check, lacksExpiry } from "./subject.js";

const DAY_MS = 86_400_000;

export const expiryChecks: readonly Check[] = [
  {
    name: "a key is gone once its lifetime has ended, to every operation",
    lacks: lacksExpiry,
    async run(subject) {
      const { lifetimeMs } = subject;
      const keys = ["get", "contains", "ttl", "delete", "expire", "getAndDelete", "lasting"];
      await subject.batch((probe) =>
        Promise.all(keys.map((key) => probe.put(key, "1", key === "lasting" ? DAY_MS : lifetimeMs))),
      );
      assert.equal((await subject.keys()).length, keys.length);
      await subject.outlive(lifetimeMs);
      const answers = await subject.batch((probe) =>
        Promise.all([
          probe.get("get"),
          probe.contains("contains"),
          probe.ttl("ttl"),
          probe.delete("delete"),
          probe.expire("expire", DAY_MS),
          probe.getAndDelete("getAndDelete"),
          probe.contains("lasting"),
        ]),
      );
      assert.deepEqual(answers, [null, false, null, false, false, null, true]);
      assert.deepEqual(await subject.keys(), ["lasting"]);
    },
  },
  {
    name: "a key is there while its lifetime lasts",
    lacks: lacksExpiry,
    async run(subject) {
      await subject.put("a", "1", DAY_MS);
      // To the last millisecond, where the clock can be put there.
      await subject.pass(subject.hasOwnClock ? DAY_MS - 1 : 100);
      assert.equal(await subject.read("a"), "1");
      if (!subject.hasOwnClock) return;
      await subject.pass(1);
      assert.equal(await subject.read("a"), null);
    },
  },
  {
    name: "ttl is null, Infinity or the milliseconds left",
    lacks: lacksExpiry,
    async run(subject) {
      await subject.batch((probe) => Promise.all([probe.put("a", "1"), probe.put("b", "1", 100_000)]));
      await subject.pass(100);
      const [a, b, c] = await subject.batch((probe) => Promise.all([probe.ttl("a"), probe.ttl("b"), probe.ttl("c")]));
      assert.deepEqual([a, c], [Number.POSITIVE_INFINITY, null]);
      if (subject.hasOwnClock) assert.equal(b, 99_900);
      // 10 ms for clocks that tick apart.
      else assert.ok(b !== null && b <= 99_910 && b > 90_000, String(b));
    },
  },
  {
    name: "expire sets, prolongs and removes a lifetime and leaves the value",
    lacks: lacksExpiry,
    async run(subject) {
      const { lifetimeMs } = subject;
      await subject.batch((probe) =>
        Promise.all([probe.put("a", "1"), probe.put("b", "2", lifetimeMs), probe.put("c", "3", lifetimeMs)]),
      );
      const found = await subject.batch((probe) =>
        Promise.all([
          probe.expire("a", lifetimeMs),
          probe.expire("b", 0),
          probe.expire("c", DAY_MS),
          probe.expire("d", lifetimeMs),
        ]),
      );
      assert.deepEqual(found, [true, true, true, false]);
      await subject.outlive(lifetimeMs);
      const values = await subject.batch((probe) => Promise.all([probe.get("a"), probe.get("b"), probe.get("c")]));
      assert.deepEqual(
        values.map((value) => value?.toString()),
        [undefined, "2", "3"],
      );
      assert.equal(await subject.batch((probe) => probe.ttl("b")), Number.POSITIVE_INFINITY);
    },
  },
  {
    name: "a put without a lifetime ends the old one",
    lacks: lacksExpiry,
    async run(subject) {
      const { lifetimeMs } = subject;
      await subject.put("a", "1", lifetimeMs);
      await subject.put("a", "2");
      await subject.outlive(lifetimeMs);
      assert.equal(await subject.read("a"), "2");
    },
  },
  {
    name: "setIfNotExists writes again after expiry, and compareAndSwap finds the key absent",
    lacks: lacksExpiry,
    async run(subject) {
      const { lifetimeMs } = subject;
      const attempt = (value: string): Promise<boolean> =>
        subject.batch((probe) => probe.setIfNotExists("a", value, lifetimeMs));
      assert.deepEqual([await attempt("1"), await attempt("2")], [true, false]);
      await subject.put("b", "1", lifetimeMs);
      await subject.outlive(lifetimeMs);
      assert.equal(await subject.batch((probe) => probe.compareAndSwap("b", "1", "2")), false);
      assert.equal(await subject.batch((probe) => probe.compareAndSwap("b", null, "2")), true);
      assert.equal(await attempt("3"), true);
      assert.equal(await subject.read("a"), "3");
    },
  },
  {
    name: "compareAndSwap sets the lifetime, an increment keeps it and begins anew after expiry",
    lacks: lacksExpiry,
    async run(subject) {
      const { lifetimeMs } = subject;
      const left = (): Promise<number | null> => subject.batch((probe) => probe.ttl("a"));
      await subject.batch((probe) => probe.compareAndSwap("a", null, "1", lifetimeMs));
      assert.equal(await subject.batch((probe) => probe.increment("a", 1n)), 2n);
      const kept = await left();
      assert.ok(kept !== null && kept > 0 && kept <= lifetimeMs, String(kept));
      await subject.outlive(lifetimeMs);
      assert.equal(await subject.batch((probe) => probe.increment("a", 1n)), 1n);
      assert.equal(await left(), Number.POSITIVE_INFINITY);
      await subject.batch((probe) => probe.compareAndSwap("a", "1", "2", lifetimeMs));
      await subject.batch((probe) => probe.compareAndSwap("a", "2", "3"));
      assert.equal(await left(), Number.POSITIVE_INFINITY);
    },
  },
];
