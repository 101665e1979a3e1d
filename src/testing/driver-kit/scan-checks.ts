import assert from "node:assert/strict";
import { canonicalKeyOfBytes, joinKey } from "../../core/key.js";
import { type Check, lacksExpiry } from "./subject.js";

/** A page is what a scan holds in memory at once. */
const LARGEST_PAGE = 2048;

export const scanChecks: readonly Check[] = [
  {
    name: "a scan pages through the keys of a prefix, with their values when asked",
    async run(subject) {
      const { driver } = subject;
      const binaryKey = joinKey("user:", canonicalKeyOfBytes(Buffer.of(0xff, 0)));
      await subject.batch((probe) => {
        for (let i = 0; i < 1300; i++) void probe.put(`user:${i}`, `value ${i}`);
        void probe.put("usher", "1");
        return probe.put(binaryKey, "binary");
      });
      const expected = [...Array.from({ length: 1300 }, (_, i) => `user:${i}`), binaryKey].sort();
      assert.deepEqual(await subject.keys("user:"), expected);
      assert.equal((await subject.keys()).length, 1302);
      assert.deepEqual(await subject.keys("nothing"), []);
      const values = new Map<string, string>();
      let largestPage = 0;
      for await (const page of driver.scan("user:", true)) {
        largestPage = Math.max(largestPage, page.keys.length);
        assert.equal(page.values?.length, page.keys.length);
        for (const [index, key] of page.keys.entries()) values.set(key, String(page.values[index]));
      }
      assert.equal(values.size, 1301);
      assert.equal(values.get("user:7"), "value 7");
      assert.equal(values.get(binaryKey), "binary");
      assert.ok(largestPage <= LARGEST_PAGE, `a page of ${largestPage} keys`);
    },
  },
  {
    name: "characters that mean something in patterns mean themselves in a prefix",
    async run(subject) {
      const prefixes = ["a*", "a?", "a[b]", "a%", "a_", "a\\", "a.", "a'"];
      await subject.batch((probe) => Promise.all([...prefixes, "ab", "abb", "a"].map((key) => probe.put(key, "1"))));
      for (const prefix of prefixes) assert.deepEqual(await subject.keys(prefix), [prefix]);
      assert.equal(await subject.driver.clear("a_"), 1);
      assert.equal(await subject.driver.clear("a*"), 1);
      assert.equal((await subject.keys()).length, 9);
    },
  },
  {
    name: "a scan gives every lasting key while others come and go",
    async run(subject) {
      const { driver } = subject;
      await subject.batch((probe) => {
        for (let i = 0; i < 1500; i++) void probe.put(`lasting ${i}`, "1");
        for (let i = 0; i < 1500; i++) void probe.put(`passing ${i}`, "1");
        return Promise.resolve();
      });
      const seen = new Map<string, number>();
      let round = 0;
      for await (const page of driver.scan("", false)) {
        for (const key of page.keys) seen.set(key, (seen.get(key) ?? 0) + 1);
        await subject.batch((probe) => {
          for (let i = 0; i < 300; i++) void probe.delete(`passing ${round * 300 + i}`);
          for (let i = 0; i < 300; i++) void probe.put(`new ${round}.${i}`, "1");
          return Promise.resolve();
        });
        await subject.put(`passing ${round * 300}`, "again");
        if (++round > 200) break;
      }
      assert.ok(round <= 200, "the scan must end");
      for (let i = 0; i < 1500; i++) assert.ok(seen.has(`lasting ${i}`), `lasting ${i}`);
      if (subject.capabilities.scansOnce === true) assert.ok([...seen.values()].every((times) => times === 1));
    },
  },
  {
    name: "clear removes a prefix, counts what it removed and touches nothing else",
    async run(subject) {
      await subject.batch((probe) => {
        for (let i = 0; i < 1100; i++) void probe.put(`a:${i}`, "1");
        return Promise.all([probe.put("a", "1"), probe.put("b:1", "1")]);
      });
      assert.equal(await subject.driver.clear("a:"), 1100);
      assert.deepEqual(await subject.keys(), ["a", "b:1"]);
      assert.equal(await subject.driver.clear(""), 2);
      assert.deepEqual(await subject.keys(), []);
    },
  },
  {
    name: "expired keys are neither scanned nor counted by clear",
    lacks: lacksExpiry,
    async run(subject) {
      await subject.batch((probe) =>
        Promise.all([probe.put("gone", "1", subject.lifetimeMs), probe.put("lasting", "1")]),
      );
      await subject.outlive(subject.lifetimeMs);
      assert.deepEqual(await subject.keys(), ["lasting"]);
      assert.equal(await subject.driver.clear(""), 1);
    },
  },
];
