import assert from "node:assert/strict";
import { test } from "node:test";
import { measureOfferedLoad } from "../../../bench/load/offered-load.js";

test("T4 is the median of its rounds, and tells what the single ones showed", async () => {
  const { target, comparison } = await measureOfferedLoad(async () => true, 10);
  assert.equal(target.id, "T4");
  assert.equal(comparison.rounds?.length, 5);
  assert.equal(target.measured, comparison.p99Us! / 1000);
  const [, least, most] = /p99 of single rounds ([\d.]+) to ([\d.]+) ms/.exec(target.note!) ?? assert.fail(target.note);
  assert.ok(Number(least) <= target.measured + 0.01 && target.measured <= Number(most) + 0.01, target.note);
  assert.match(target.note!, /, 0 errors;/);
});

test("T4 is missed when operations fail, however quickly", async () => {
  let calls = 0;
  const { target, comparison } = await measureOfferedLoad(async () => (++calls % 1000 === 0 ? null : true), 10);
  assert.ok(comparison.errors > 0);
  assert.equal(target.pass, false);
});
