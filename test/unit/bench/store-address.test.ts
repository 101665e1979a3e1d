import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readStoreAddress } from "../../../bench/lib/store-address.js";
import { UsageError } from "../../../bench/lib/usage-error.js";

describe("the store's address in a report", () => {
  const shown: [url: string, shown: string][] = [
    ["redis://me:hunter2@cache.local:6380/3", "redis://cache.local:6380/3"],
    ["redis://:hun@ter2@cache.local", "redis://cache.local:6379/0"],
    ["rediss+sentinel://:hun@ter2@a,b/main", "rediss+sentinel://a:26379,b:26379/main/0"],
    ["postgres://me:hun@ter2@db.local/state", "postgres://db.local/state"],
    ["postgres://me@db.local/state?sslmode=require&password=hunter2", "postgres://db.local/state"],
    ["lmdb:./state", "lmdb:./state"],
  ];
  for (const [url, expected] of shown) {
    test(`has no password where ${expected} had one`, () => {
      assert.equal(readStoreAddress(url).shown, expected);
    });
  }

  test("says whether every client can talk to it", () => {
    const answers = ["rediss://a", "REDIS://a", "redis+cluster://a", "memory:"].map((url) => readStoreAddress(url));
    assert.deepEqual(
      answers.map(({ isRedis }) => isRedis),
      [true, true, false, false],
    );
  });

  test("is refused without its text when it is none", () => {
    for (const url of ["redis://:hun/ter2@a", "hunter2", "redis://:hunter2@a:port", "postgres://:hun#ter2@a"]) {
      assert.throws(
        () => readStoreAddress(url),
        (error: Error) => error instanceof UsageError && !/ter2/.test(error.message),
      );
    }
  });
});
