import assert from "node:assert/strict";
import type { Check } from "./subject.js";

export const conditionalChecks: readonly Check[] = [
  {
    name: "setIfNotExists writes once",
    async run(subject) {
      const attempt = (value: string): Promise<boolean> => subject.batch((probe) => probe.setIfNotExists("a", value));
      assert.deepEqual([await attempt("1"), await attempt("2")], [true, false]);
      assert.equal(await subject.read("a"), "1");
    },
  },
  {
    name: "getAndDelete gives the value once",
    async run(subject) {
      await subject.put("a", "1");
      const take = (): Promise<Buffer | null> => subject.batch((probe) => probe.getAndDelete("a"));
      assert.deepEqual([await take(), await take()], [Buffer.from("1"), null]);
    },
  },
  {
    name: "compareAndSwap compares values and treats null as absence",
    async run(subject) {
      const swap = (expected: string | null, next: string | null): Promise<boolean> =>
        subject.batch((probe) => probe.compareAndSwap("a", expected, next));
      assert.equal(await swap("x", "1"), false);
      assert.equal(await swap(null, "1"), true);
      assert.equal(await swap(null, "2"), false);
      assert.equal(await swap("2", "3"), false);
      assert.equal(await swap("1", ""), true);
      assert.equal(await swap("", "2"), true);
      assert.equal(await swap("2", null), true);
      assert.equal(await subject.read("a"), null);
      assert.equal(await swap(null, null), true);
    },
  },
  {
    name: "increments in one batch add up, and get shows the decimal text",
    async run(subject) {
      await subject.put("a", "5");
      const sums = await subject.batch((probe) =>
        Promise.all([
          probe.increment("a", 1n),
          probe.increment("a", 10n),
          probe.increment("a", -20n),
          probe.increment("b", 7n),
        ]),
      );
      assert.deepEqual(sums, [6n, 16n, -4n, 7n]);
      assert.equal(await subject.read("a"), "-4");
    },
  },
  {
    name: "an increment of something else, or out of 64 bits, fails alone and changes nothing",
    async run(subject) {
      await subject.batch((probe) =>
        Promise.all([probe.put("word", "five"), probe.put("max", "9223372036854775807"), probe.put("zeros", "007")]),
      );
      const results = await subject.batch((probe) =>
        Promise.allSettled([
          probe.increment("word", 1n),
          probe.increment("max", 1n),
          probe.increment("zeros", 1n),
          probe.increment("fine", 1n),
        ]),
      );
      const shown = results.map((result) =>
        result.status === "fulfilled"
          ? result.value
          : [
              result.reason.code,
              result.reason.reason,
              result.reason.outcome,
              result.reason.operation,
              result.reason.key,
            ],
      );
      assert.deepEqual(shown, [
        ["BACKEND", "ERR_NOT_AN_INTEGER", "not-applied", "increment", "word"],
        ["BACKEND", "ERR_OVERFLOW", "not-applied", "increment", "max"],
        ["BACKEND", "ERR_NOT_AN_INTEGER", "not-applied", "increment", "zeros"],
        1n,
      ]);
      assert.equal(await subject.read("max"), "9223372036854775807");
    },
  },
];
