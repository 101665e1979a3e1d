import assert from "node:assert/strict";
import { test } from "node:test";
import {
  hasExpired,
  RECORD_HEADER_BYTES,
  recordExpiry,
  writeRecordHeader,
} from "../../../../src/backends/lmdb/record.js";

const LIFETIMES = [0, 1, 1_800_000_000_000, 0xffff_ffff_ffff];

function recordOf(expiresAtMs: number): Buffer {
  const record = Buffer.alloc(RECORD_HEADER_BYTES + 3, 7);
  writeRecordHeader(record, 0, expiresAtMs);
  return record;
}

test("a record's lifetime is read as it was written, up to the next millisecond", () => {
  for (const expiresAtMs of LIFETIMES) assert.equal(recordExpiry(recordOf(expiresAtMs)), expiresAtMs);
  assert.equal(recordExpiry(recordOf(1000.2)), 1001);
});

test("every flipped bit of a record's header is damage, which never looks like the end of a lifetime", () => {
  for (const expiresAtMs of LIFETIMES) {
    for (let bit = 0; bit < 8 * RECORD_HEADER_BYTES; bit++) {
      const record = recordOf(expiresAtMs);
      record[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(
        () => recordExpiry(record),
        { code: "CORRUPT_VALUE", reason: "ERR_CORRUPT_VALUE_HEADER" },
        `${bit}`,
      );
      assert.equal(hasExpired(record, Number.MAX_SAFE_INTEGER), false);
    }
  }
});

test("a record that is too short is damaged, one of a newer release is not supported, neither has expired", () => {
  for (let bytes = 0; bytes < RECORD_HEADER_BYTES; bytes++) {
    const record = recordOf(0).subarray(0, bytes);
    assert.throws(() => recordExpiry(record), { code: "CORRUPT_VALUE", reason: "ERR_CORRUPT_VALUE_TRUNCATED" });
    assert.equal(hasExpired(record, 1), false);
  }
  const newer = Buffer.of(3, 0, 1, 0, 0, 0, 0, 0);
  assert.throws(() => recordExpiry(newer), { code: "UNSUPPORTED", reason: "ERR_FORMAT_VERSION" });
  assert.equal(hasExpired(newer, 1000), false);
});

test("records of the first version, which have no check, are read", () => {
  assert.equal(recordExpiry(Buffer.of(1, 0, 0, 0, 0, 0, 0, 0)), 0);
  assert.equal(recordExpiry(Buffer.of(1, 0, 0xe8, 3, 0, 0, 0, 0)), 1000);
  assert.throws(() => recordExpiry(Buffer.of(1, 4, 0, 0, 0, 0, 0, 0)), { code: "CORRUPT_VALUE" });
});
