import assert from "node:assert/strict";
import { canonicalKeyOfBytes } from "../../core/key.js";
import { DamagingEnvelope, plainOptions } from "./driver-context.js";
import type { Check } from "./subject.js";

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
/** A store may allow longer keys than anyone wants to test. */
const LONG_KEY_BYTES = 4096;

export const valueChecks: readonly Check[] = [
  {
    name: "a put value is read back, an absent key is null",
    async run(subject) {
      await subject.put("a", "one");
      const results = await subject.batch((probe) =>
        Promise.all([probe.get("a"), probe.get("b"), probe.contains("c"), probe.contains("a")]),
      );
      assert.deepEqual(results, [Buffer.from("one"), null, false, true]);
    },
  },
  {
    name: "empty values, binary values and binary keys come back byte for byte",
    async run(subject) {
      const keys = [Buffer.of(0, 0xff, 0xfe), Buffer.of(0x80), Buffer.of(0)].map(canonicalKeyOfBytes);
      await subject.batch((probe) =>
        Promise.all([probe.put("empty", ""), ...keys.map((key) => probe.put(key, EVERY_BYTE))]),
      );
      const [empty, ...binary] = await subject.batch((probe) =>
        Promise.all([probe.get("empty"), ...keys.map((key) => probe.get(key))]),
      );
      assert.equal(empty?.length, 0);
      assert.deepEqual(binary, [EVERY_BYTE, EVERY_BYTE, EVERY_BYTE]);
    },
  },
  {
    name: "keys that differ in their last byte, their case or their length are different keys",
    async run(subject) {
      const keys = ["key", "Key", "key ", "ke", "kéy", "ke\u0301y", "key\u0000"];
      await subject.batch((probe) => Promise.all(keys.map((key) => probe.put(key, `value of ${key}`))));
      const values = await subject.batch((probe) => Promise.all(keys.map((key) => probe.get(key))));
      assert.deepEqual(
        values.map(String),
        keys.map((key) => `value of ${key}`),
      );
    },
  },
  {
    name: "a key of the longest length that the driver allows works",
    async run(subject) {
      const bytes = Math.min(subject.capabilities.maxKeyBytes, LONG_KEY_BYTES);
      const longest = "k".repeat(bytes - Buffer.byteLength(subject.keyPrefix));
      await subject.put(longest, "1");
      assert.equal(await subject.read(longest), "1");
      assert.deepEqual(await subject.keys(), [longest]);
    },
  },
  {
    name: "a value of a megabyte comes back whole beside small ones",
    async run(subject) {
      const large = Buffer.alloc(1 << 20, EVERY_BYTE);
      await subject.batch((probe) => Promise.all([probe.put("large", large), probe.put("small", "small")]));
      const [first, small] = await subject.batch((probe) => Promise.all([probe.get("large"), probe.get("small")]));
      assert.ok(first?.equals(large));
      assert.equal(small?.toString(), "small");
    },
  },
  {
    name: "a returned value is the caller's own and a put value is not kept by reference",
    async run(subject) {
      const given = Buffer.from("value");
      await subject.put("a", given);
      given.fill(0);
      const first = await subject.batch((probe) => probe.get("a"));
      assert.equal(first?.toString(), "value");
      first?.fill(0);
      assert.equal(await subject.read("a"), "value");
    },
  },
  {
    name: "a value that does not verify fails with its key, its neighbours are not touched",
    context: { codec: new DamagingEnvelope(plainOptions) },
    async run(subject) {
      const { driver } = subject;
      await subject.batch((probe) => Promise.all([probe.put("a", "good"), probe.put("b", "bad")]));
      const [a, b] = await subject.batch((probe) => Promise.allSettled([probe.get("a"), probe.get("b")]));
      assert.equal(a.status === "fulfilled" && String(a.value), "good");
      assert.ok(b.status === "rejected");
      const { code, key, operation, backend, outcome } = b.reason;
      assert.deepEqual([code, key, operation, backend], ["CORRUPT_VALUE", "b", "get", driver.name]);
      assert.equal(outcome, "not-applied");
    },
  },
  {
    name: "getAndDelete of a value that does not verify says whether it is gone",
    context: { codec: new DamagingEnvelope(plainOptions) },
    async run(subject) {
      await subject.put("b", "bad");
      const [taken] = await subject.batch((probe) => Promise.allSettled([probe.getAndDelete("b")]));
      assert.ok(taken?.status === "rejected");
      const { code, outcome } = taken.reason;
      assert.equal(code, "CORRUPT_VALUE");
      // A store that deletes before it looks says that it cannot tell.
      if (outcome !== "unknown") {
        assert.equal(outcome, "not-applied");
        assert.equal(await subject.batch((probe) => probe.contains("b")), true);
      }
    },
  },
];
