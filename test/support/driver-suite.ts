import assert from "node:assert/strict";
import { test } from "node:test";
import type { Driver, DriverContext } from "../../src/backends/contract.js";
import { Envelope } from "../../src/codec/envelope.js";
import { type CanonicalKey, canonicalKeyOfBytes, joinKey } from "../../src/core/key.js";
import type { Value } from "../../src/core/value.js";
import { BatchProbe, type FakeClock, inOneBatch, plainOptions } from "./batch-probe.js";

export interface OpenedDriver {
  readonly driver: Driver;
  readonly clock: FakeClock;
}

export type OpenDriver = (t: TestScope, overrides?: Partial<DriverContext>) => Promise<OpenedDriver>;

export interface TestScope {
  after(clean: () => Promise<void> | void): void;
}

/** Cannot encode "bad". */
class RefusingEnvelope extends Envelope {
  override encode(keyChecksum: number, value: Value): Buffer {
    if (value === "bad") throw new Error("cannot be encoded");
    return super.encode(keyChecksum, value);
  }
}

/** Writes "bad" so that it does not verify. */
class DamagingEnvelope extends Envelope {
  override encodeInto(target: Buffer, at: number, keyChecksum: number, value: Value): number {
    return super.encodeInto(target, at, value === "bad" ? keyChecksum ^ 1 : keyChecksum, value);
  }
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

async function keysOf(driver: Driver, prefix: string): Promise<CanonicalKey[]> {
  const keys: CanonicalKey[] = [];
  for await (const page of driver.scan(prefix, false)) keys.push(...page.keys);
  return keys.sort();
}

function text(value: Buffer | null): string | null {
  return value === null ? null : value.toString();
}

/** What every embedded driver must do, one behaviour a test; the clock is ours, so nothing sleeps. */
export function testDriver(name: string, openDriver: OpenDriver): void {
  test(`${name}: a put value is read back, an absent key is null`, async (t) => {
    const { driver } = await openDriver(t);
    await inOneBatch(driver, (probe) => probe.put("a", "one"));
    const probe = new BatchProbe(driver);
    const results = Promise.all([probe.get("a"), probe.get("b"), probe.contains("a"), probe.contains("b")]);
    probe.send();
    const [a, b, hasA, hasB] = await results;
    assert.deepEqual([text(a), b, hasA, hasB], ["one", null, true, false]);
    await probe.completion;
  });

  test(`${name}: empty values, binary values and binary keys come back byte for byte`, async (t) => {
    const { driver } = await openDriver(t);
    const binaryKey = canonicalKeyOfBytes(Buffer.of(0, 0xff, 0xfe));
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await inOneBatch(driver, (probe) => Promise.all([probe.put("empty", ""), probe.put(binaryKey, bytes)]));
    const [empty, binary] = await inOneBatch(driver, (probe) =>
      Promise.all([probe.get("empty"), probe.get(binaryKey)]),
    );
    assert.equal(empty?.length, 0);
    assert.deepEqual(binary, bytes);
  });

  test(`${name}: a returned value is the caller's own and a put value is not kept by reference`, async (t) => {
    const { driver } = await openDriver(t);
    const given = Buffer.from("value");
    await inOneBatch(driver, (probe) => probe.put("a", given));
    given.fill(0);
    const first = await inOneBatch(driver, (probe) => probe.get("a"));
    assert.equal(text(first), "value");
    first?.fill(0);
    assert.equal(text(await inOneBatch(driver, (probe) => probe.get("a"))), "value");
  });

  test(`${name}: within a batch a read does not see the write of its key, a put follows a delete`, async (t) => {
    const { driver } = await openDriver(t);
    await inOneBatch(driver, (probe) => probe.put("a", "old"));
    const [read, existed] = await inOneBatch(driver, (probe) =>
      Promise.all([probe.get("a"), probe.delete("a"), probe.put("a", "new")]),
    );
    assert.deepEqual([text(read), existed], ["old", true]);
    assert.equal(text(await inOneBatch(driver, (probe) => probe.get("a"))), "new");
  });

  test(`${name}: batches handed over without waiting take effect in their order`, async (t) => {
    const { driver } = await openDriver(t);
    const seen: Promise<Buffer | null>[] = [];
    for (let round = 0; round < 50; round++) {
      void inOneBatch(driver, (probe) => probe.put("a", `value ${round}`));
      seen.push(inOneBatch(driver, (probe) => probe.get("a")));
      if (round % 5 === 4) {
        seen.push(inOneBatch(driver, async (probe) => ((await probe.delete("a")) ? Buffer.from("deleted") : null)));
        seen.push(inOneBatch(driver, (probe) => probe.get("a")));
      }
      if (round % 7 === 0) await seen[seen.length - 1];
    }
    const expected: (string | null)[] = [];
    for (let round = 0; round < 50; round++) {
      expected.push(`value ${round}`);
      if (round % 5 === 4) expected.push("deleted", null);
    }
    assert.deepEqual((await Promise.all(seen)).map(text), expected);
  });

  test(`${name}: delete tells whether a live key was there`, async (t) => {
    const { driver, clock } = await openDriver(t);
    await inOneBatch(driver, (probe) => Promise.all([probe.put("a", "1"), probe.put("b", "1", MINUTE_MS)]));
    clock.advance(MINUTE_MS);
    const existed = await inOneBatch(driver, (probe) =>
      Promise.all([probe.delete("a"), probe.delete("b"), probe.delete("c")]),
    );
    assert.deepEqual(existed, [true, false, false]);
  });

  test(`${name}: a key is gone from the moment its lifetime ends, not before`, async (t) => {
    const { driver, clock } = await openDriver(t);
    await inOneBatch(driver, (probe) => probe.put("a", "1", DAY_MS));
    clock.advance(DAY_MS - 1);
    assert.equal(text(await inOneBatch(driver, (probe) => probe.get("a"))), "1");
    clock.advance(1);
    const [value, there, left] = await inOneBatch(driver, (probe) =>
      Promise.all([probe.get("a"), probe.contains("a"), probe.ttl("a")]),
    );
    assert.deepEqual([value, there, left], [null, false, null]);
    assert.deepEqual(await keysOf(driver, ""), []);
  });

  test(`${name}: ttl is null, Infinity or the milliseconds left`, async (t) => {
    const { driver, clock } = await openDriver(t);
    await inOneBatch(driver, (probe) => Promise.all([probe.put("a", "1"), probe.put("b", "1", 1000)]));
    clock.advance(400);
    const left = await inOneBatch(driver, (probe) => Promise.all([probe.ttl("a"), probe.ttl("b"), probe.ttl("c")]));
    assert.deepEqual(left, [Number.POSITIVE_INFINITY, 600, null]);
  });

  test(`${name}: expire sets, prolongs and removes a lifetime and leaves the value`, async (t) => {
    const { driver, clock } = await openDriver(t);
    await inOneBatch(driver, (probe) => Promise.all([probe.put("a", "1"), probe.put("b", "2", 1000)]));
    const found = await inOneBatch(driver, (probe) =>
      Promise.all([probe.expire("a", 500), probe.expire("b", 0), probe.expire("c", 500)]),
    );
    assert.deepEqual(found, [true, true, false]);
    clock.advance(2000);
    const [a, b] = await inOneBatch(driver, (probe) => Promise.all([probe.get("a"), probe.get("b")]));
    assert.deepEqual([a, text(b)], [null, "2"]);
  });

  test(`${name}: a put without a lifetime ends the old one`, async (t) => {
    const { driver, clock } = await openDriver(t);
    await inOneBatch(driver, (probe) => probe.put("a", "1", 1000));
    await inOneBatch(driver, (probe) => probe.put("a", "2"));
    clock.advance(DAY_MS);
    assert.equal(text(await inOneBatch(driver, (probe) => probe.get("a"))), "2");
  });

  test(`${name}: setIfNotExists writes once, and again after expiry`, async (t) => {
    const { driver, clock } = await openDriver(t);
    const attempt = (value: string): Promise<boolean> =>
      inOneBatch(driver, (probe) => probe.setIfNotExists("a", value, 1000));
    assert.deepEqual([await attempt("1"), await attempt("2")], [true, false]);
    clock.advance(1000);
    assert.equal(await attempt("3"), true);
    assert.equal(text(await inOneBatch(driver, (probe) => probe.get("a"))), "3");
  });

  test(`${name}: getAndDelete gives the value once`, async (t) => {
    const { driver } = await openDriver(t);
    await inOneBatch(driver, (probe) => probe.put("a", "1"));
    assert.equal(text(await inOneBatch(driver, (probe) => probe.getAndDelete("a"))), "1");
    assert.equal(await inOneBatch(driver, (probe) => probe.getAndDelete("a")), null);
  });

  test(`${name}: compareAndSwap compares values, treats null as absence and sets the new lifetime`, async (t) => {
    const { driver } = await openDriver(t);
    const swap = (expected: string | null, next: string | null, ttlMs = 0): Promise<boolean> =>
      inOneBatch(driver, (probe) => probe.compareAndSwap("a", expected, next, ttlMs));
    assert.equal(await swap("x", "1"), false);
    assert.equal(await swap(null, "1", 5000), true);
    assert.equal(await inOneBatch(driver, (probe) => probe.ttl("a")), 5000);
    assert.equal(await swap(null, "2"), false);
    assert.equal(await swap("2", "3"), false);
    assert.equal(await swap("1", "2"), true);
    assert.equal(await inOneBatch(driver, (probe) => probe.ttl("a")), Number.POSITIVE_INFINITY);
    assert.equal(await swap("2", null), true);
    assert.equal(await inOneBatch(driver, (probe) => probe.get("a")), null);
    assert.equal(await swap(null, null), true);
  });

  test(`${name}: increments in one batch add up, get shows the decimal text, the lifetime is kept`, async (t) => {
    const { driver } = await openDriver(t);
    await inOneBatch(driver, (probe) => probe.put("a", "5", 5000));
    const sums = await inOneBatch(driver, (probe) =>
      Promise.all([
        probe.increment("a", 1n),
        probe.increment("a", 10n),
        probe.increment("a", -20n),
        probe.increment("b", 7n),
      ]),
    );
    assert.deepEqual(sums, [6n, 16n, -4n, 7n]);
    const [value, left] = await inOneBatch(driver, (probe) => Promise.all([probe.get("a"), probe.ttl("a")]));
    assert.deepEqual([text(value), left], ["-4", 5000]);
  });

  test(`${name}: an increment of something else, or out of 64 bits, fails alone and changes nothing`, async (t) => {
    const { driver } = await openDriver(t);
    await inOneBatch(driver, (probe) =>
      Promise.all([probe.put("word", "five"), probe.put("max", "9223372036854775807"), probe.put("zeros", "007")]),
    );
    const results = await inOneBatch(driver, (probe) =>
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
        : [result.reason.code, result.reason.reason, result.reason.outcome, result.reason.operation, result.reason.key],
    );
    assert.deepEqual(shown, [
      ["BACKEND", "ERR_NOT_AN_INTEGER", "not-applied", "increment", "word"],
      ["BACKEND", "ERR_OVERFLOW", "not-applied", "increment", "max"],
      ["BACKEND", "ERR_NOT_AN_INTEGER", "not-applied", "increment", "zeros"],
      1n,
    ]);
    assert.equal(text(await inOneBatch(driver, (probe) => probe.get("max"))), "9223372036854775807");
  });

  test(`${name}: a transaction puts, deletes and expires together`, async (t) => {
    const { driver } = await openDriver(t);
    await inOneBatch(driver, (probe) => Promise.all([probe.put("a", "1"), probe.put("b", "1")]));
    await inOneBatch(driver, (probe) =>
      probe.transaction([
        { type: "put", key: "c", value: "2", ttlMs: 0 },
        { type: "delete", key: "a" },
        { type: "expire", key: "b", ttlMs: 5000 },
        { type: "delete", key: "nothing" },
      ]),
    );
    const [a, left, c] = await inOneBatch(driver, (probe) =>
      Promise.all([probe.get("a"), probe.ttl("b"), probe.get("c")]),
    );
    assert.deepEqual([a, left, text(c)], [null, 5000, "2"]);
  });

  test(`${name}: a transaction of which one value cannot be encoded changes nothing`, async (t) => {
    const { driver } = await openDriver(t, { codec: new RefusingEnvelope(plainOptions) });
    await assert.rejects(
      inOneBatch(driver, (probe) =>
        probe.transaction([
          { type: "put", key: "a", value: "1", ttlMs: 0 },
          { type: "put", key: "b", value: "bad", ttlMs: 0 },
        ]),
      ),
      { code: "BACKEND", outcome: "not-applied", operation: "transaction" },
    );
    assert.equal(await inOneBatch(driver, (probe) => probe.get("a")), null);
  });

  test(`${name}: a value that does not verify fails with its key, its neighbours are not touched`, async (t) => {
    const { driver } = await openDriver(t, { codec: new DamagingEnvelope(plainOptions) });
    await inOneBatch(driver, (probe) => Promise.all([probe.put("a", "good"), probe.put("b", "bad")]));
    const probe = new BatchProbe(driver);
    const a = probe.get("a");
    const b = assert.rejects(probe.get("b"), { code: "CORRUPT_VALUE", key: "b", operation: "get", backend: name });
    probe.send();
    assert.equal(text(await a), "good");
    await b;
    await assert.rejects(
      inOneBatch(driver, (other) => other.getAndDelete("b")),
      { code: "CORRUPT_VALUE", outcome: "not-applied" },
    );
    assert.equal(await inOneBatch(driver, (other) => other.contains("b")), true);
  });

  test(`${name}: a scan pages through the live keys of a prefix, with their values when asked`, async (t) => {
    const { driver, clock } = await openDriver(t);
    const binaryKey = joinKey("user:", canonicalKeyOfBytes(Buffer.of(0xff, 0)));
    await inOneBatch(driver, (probe) => {
      for (let i = 0; i < 1300; i++) void probe.put(`user:${i}`, `value ${i}`);
      void probe.put("user:gone", "1", 1000);
      void probe.put("usher", "1");
      return probe.put(binaryKey, "binary");
    });
    clock.advance(1000);
    const expected = [...Array.from({ length: 1300 }, (_, i) => `user:${i}`), binaryKey].sort();
    assert.deepEqual(await keysOf(driver, "user:"), expected);
    assert.equal((await keysOf(driver, "")).length, 1302);
    const values = new Map<string, string>();
    let largestPage = 0;
    for await (const page of driver.scan("user:", true)) {
      largestPage = Math.max(largestPage, page.keys.length);
      for (const [index, key] of page.keys.entries()) values.set(key, String(page.values?.[index]));
    }
    assert.equal(values.size, 1301);
    assert.equal(values.get("user:7"), "value 7");
    assert.equal(values.get(binaryKey), "binary");
    assert.ok(largestPage <= 512);
  });

  test(`${name}: a scan gives every lasting key once while others come and go`, async (t) => {
    const { driver } = await openDriver(t);
    await inOneBatch(driver, (probe) => {
      for (let i = 0; i < 1500; i++) void probe.put(`lasting ${i}`, "1");
      for (let i = 0; i < 1500; i++) void probe.put(`passing ${i}`, "1");
      return probe.put("last", "1");
    });
    await inOneBatch(driver, (probe) => probe.put("settled", "1"));
    const seen = new Map<string, number>();
    let round = 0;
    for await (const page of driver.scan("", false)) {
      for (const key of page.keys) seen.set(key, (seen.get(key) ?? 0) + 1);
      await inOneBatch(driver, (probe) => {
        for (let i = 0; i < 300; i++) void probe.delete(`passing ${round * 300 + i}`);
        for (let i = 0; i < 300; i++) void probe.put(`new ${round}.${i}`, "1");
        return probe.contains("");
      });
      await inOneBatch(driver, (probe) => probe.put(`passing ${round * 300}`, "again"));
      if (++round > 50) break;
    }
    assert.ok(round <= 50, "the scan must end");
    for (let i = 0; i < 1500; i++) assert.equal(seen.get(`lasting ${i}`), 1);
    assert.ok([...seen.values()].every((times) => times === 1));
  });

  test(`${name}: clear removes a prefix and counts what was live`, async (t) => {
    const { driver, clock } = await openDriver(t);
    await inOneBatch(driver, (probe) => {
      for (let i = 0; i < 1100; i++) void probe.put(`a:${i}`, "1");
      void probe.put("a:gone", "1", 1000);
      return probe.put("b:1", "1");
    });
    clock.advance(1000);
    assert.equal(await driver.clear("a:"), 1100);
    assert.deepEqual(await keysOf(driver, ""), ["b:1"]);
    assert.equal(await driver.clear(""), 1);
    assert.deepEqual(await keysOf(driver, ""), []);
  });

  test(`${name}: reports health, size and what it is`, async (t) => {
    const { driver } = await openDriver(t);
    await inOneBatch(driver, (probe) => probe.put("a", Buffer.alloc(50_000, 1)));
    const health = await driver.health();
    assert.equal(health.healthy, true);
    assert.equal(health.backend, name);
    assert.ok((await driver.memoryUsage()) > 50_000);
    assert.equal((await driver.serverInfo()).entries, "1");
  });

  test(`${name}: after close every request fails as not applied, and closing again is fine`, async (t) => {
    const { driver } = await openDriver(t);
    await driver.close();
    await driver.close();
    await assert.rejects(
      inOneBatch(driver, (probe) => probe.put("a", "1")),
      { code: "CLOSED", outcome: "not-applied" },
    );
    await assert.rejects(driver.health(), { code: "CLOSED" });
  });
}
