import assert from "node:assert/strict";
import { test } from "node:test";
import { loadLmdb } from "../../../src/backends/lmdb/lmdb-library.js";
import { StoredKeys } from "../../../src/backends/lmdb/stored-key.js";
import { createEngine, type Engine } from "../../../src/index.js";
import { type TestScope, temporaryFolder } from "../../support/lmdb-scope.js";

const HEADER = { code: "CORRUPT_VALUE", reason: "ERR_CORRUPT_VALUE_HEADER", outcome: "not-applied", key: "bad" };

/** A store with the keys "a", "bad" and "z", of which `damage` has changed the record of "bad". */
async function withDamagedRecord(t: TestScope, damage: (record: Buffer) => Buffer): Promise<Engine> {
  const path = await temporaryFolder(t);
  const first = await createEngine(`lmdb:${path}`);
  for (const key of ["a", "bad", "z"]) await first.put(key, `value of ${key}`, { ttlMs: 3_600_000 });
  await first.close();
  const root = (await loadLmdb()).open({
    path,
    noSubdir: false,
    maxDbs: 8,
    overlappingSync: false,
    eventTurnBatching: false,
    encoding: "binary",
    keyEncoding: "binary",
  });
  const records = root.openDB({ name: "records", encoding: "binary", keyEncoder: new StoredKeys("state:") });
  const found = records.getBinaryFast("bad")!;
  await records.put("bad", damage(Buffer.from(found.subarray(0, found.length))));
  await root.close();
  const engine = await createEngine(`lmdb:${path}`);
  t.after(() => engine.close());
  return engine;
}

function flipped(record: Buffer, byte: number): Buffer {
  record[byte]! ^= 0x10;
  return record;
}

for (const [what, damage, error] of [
  ["version", (record: Buffer) => flipped(record, 0), HEADER],
  ["check", (record: Buffer) => flipped(record, 1), HEADER],
  ["lifetime", (record: Buffer) => flipped(record, 6), HEADER],
  ["length", (record: Buffer) => record.subarray(0, 5), { ...HEADER, reason: "ERR_CORRUPT_VALUE_TRUNCATED" }],
] as const) {
  test(`a record whose ${what} is damaged fails by itself, is counted and named, and can be deleted`, async (t) => {
    const engine = await withDamagedRecord(t, damage);
    await assert.rejects(engine.get("bad"), error);
    await assert.rejects(engine.ttl("bad"), error);
    await assert.rejects(engine.compareAndSwap("bad", "value of bad", "1"), error);
    assert.equal(String(await engine.get("a")), "value of a");
    assert.equal(await engine.count(), 3);
    assert.deepEqual(await engine.listKeys(), ["a", "bad", "z"]);
    assert.equal(await engine.delete("bad"), true);
    assert.equal(await engine.get("bad"), null);
    assert.deepEqual(await engine.listKeys(), ["a", "z"]);
  });
}

test("a transaction that comes upon a damaged record changes nothing", async (t) => {
  const engine = await withDamagedRecord(t, (record) => flipped(record, 3));
  for (const step of [
    { type: "delete", key: "bad" },
    { type: "expire", key: "bad", ttlMs: 5000 },
  ] as const) {
    const steps = [{ type: "put", key: "a", value: "new" } as const, step];
    await assert.rejects(engine.transaction(steps), { code: "CORRUPT_VALUE", outcome: "not-applied" });
    assert.equal(String(await engine.get("a")), "value of a");
  }
});
