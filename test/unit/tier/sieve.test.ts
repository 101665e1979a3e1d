import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { keyHash } from "../../../src/core/key-hash.js";
import type { KeptValue } from "../../../src/tier/kept-value.js";
import { Sieve, SieveEntry } from "../../../src/tier/sieve.js";

function entry(key: string, value: KeptValue = "value"): SieveEntry {
  return new SieveEntry(key, keyHash(key), value, 0, 0, Number.POSITIVE_INFINITY);
}

/** Room for so many entries with keys of one character. */
function sieveFor(entries: number): Sieve {
  return new Sieve(entry("a").bytes * entries);
}

function held(sieve: Sieve, keys: string): string {
  return [...keys].filter((key) => sieve.find(key, keyHash(key)) !== undefined).join("");
}

test("the oldest goes first, unless it was used since the hand passed it", () => {
  const sieve = sieveFor(4);
  for (const key of "abcd") sieve.add(entry(key));
  sieve.find("a", keyHash("a"))!.visited = true;
  sieve.find("c", keyHash("c"))!.visited = true;
  sieve.add(entry("e"));
  assert.equal(held(sieve, "abcde"), "acde");
  sieve.add(entry("f"));
  assert.equal(held(sieve, "abcdef"), "acef");
  sieve.add(entry("g"));
  assert.equal(held(sieve, "abcdefg"), "acfg");
});

test("when all were used the hand goes round and takes the oldest after all", () => {
  const sieve = sieveFor(4);
  for (const key of "abcd") {
    sieve.add(entry(key));
    sieve.find(key, keyHash(key))!.visited = true;
  }
  sieve.add(entry("e"));
  assert.equal(held(sieve, "abcde"), "bcde");
});

test("an entry that would take more than a quarter of the room is not taken in, and ends the one it would replace", () => {
  const sieve = sieveFor(4);
  sieve.add(entry("a"));
  sieve.add(entry("b"));
  sieve.add(entry("a", "x".repeat(6)));
  assert.equal(held(sieve, "ab"), "b");
});

test("whatever is done, the bytes are those of the entries held and within the room", () => {
  const step = fc.record({
    what: fc.constantFrom("add" as const, "add" as const, "add" as const, "use" as const, "delete" as const),
    key: fc.constantFrom(..."abcdefghijklmnop"),
    size: fc.nat(300),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const maxBytes = 2000;
      const sieve = new Sieve(maxBytes);
      for (const { what, key, size } of steps) {
        const found = sieve.find(key, keyHash(key));
        if (what === "add") sieve.add(entry(key, "v".repeat(size)));
        else if (what === "delete") sieve.delete(key, keyHash(key));
        else if (found !== undefined) found.visited = true;
        const all = [..."abcdefghijklmnop"].flatMap((name) => sieve.find(name, keyHash(name)) ?? []);
        assert.equal(
          sieve.bytes,
          all.reduce((sum, { bytes }) => sum + bytes, 0),
        );
        assert.equal(sieve.size, all.length);
        assert.ok(sieve.bytes <= maxBytes);
      }
      sieve.clear();
      assert.equal(sieve.bytes, 0);
    }),
    { numRuns: 200 },
  );
});

test("entries take no more of the heap than they are counted with", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const sieve = new Sieve(1024 * 1024 * 1024);
  const value = Buffer.alloc(100, 7);
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 100_000; i++) sieve.add(entry(`key number ${i}`, value.toString("latin1")));
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown <= sieve.bytes, `${grown} bytes for ${sieve.bytes} counted`);
  assert.ok(grown >= sieve.bytes / 2, `${grown} bytes for ${sieve.bytes} counted`);
});
