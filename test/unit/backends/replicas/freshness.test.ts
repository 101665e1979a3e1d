import assert from "node:assert/strict";
import { test } from "node:test";
import { Freshness } from "../../../../src/backends/replicas/freshness.js";
import { ReplicaProgress } from "../../../../src/backends/replicas/replica-progress.js";
import type { CanonicalKey } from "../../../../src/core/key.js";

const KEY = "k" as CanonicalKey;

test("a replica that lacks what others had when it was forgotten is not read before it has come by that", () => {
  const freshness = new Freshness(60_000);
  const ahead = new ReplicaProgress();
  const behind = new ReplicaProgress();
  freshness.askingPrimary()(10n);
  freshness.writes.add(KEY);
  freshness.askingPrimary()(20n);
  ahead.cameTo(20n, freshness.marks);
  freshness.forget([{ progress: ahead }, { progress: behind }]);
  assert.equal(freshness.writes.mayLack(KEY, 20n), false);

  behind.cameTo(10n, freshness.marks);
  assert.ok(behind.currentAsOfMs > 0, "young enough by itself");
  assert.deepEqual([freshness.isFresh(ahead), freshness.isFresh(behind)], [true, false]);
  behind.cameTo(20n, freshness.marks);
  assert.equal(freshness.isFresh(behind), true);
});

test("a replica is fresh while it has what the primary had so long ago, and by no place of an earlier log", async () => {
  const freshness = new Freshness(40);
  const replica = new ReplicaProgress();
  assert.equal(freshness.isFresh(replica), false);
  freshness.askingPrimary()(10n);
  replica.cameTo(9n, freshness.marks);
  assert.equal(freshness.isFresh(replica), false);
  replica.cameTo(10n, freshness.marks);
  assert.equal(freshness.isFresh(replica), true);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(freshness.isFresh(replica), false);
  replica.cameTo(10n, freshness.marks);
  assert.equal(freshness.isFresh(replica), false, "the primary may be anywhere by now");
  freshness.askingPrimary()(10n);
  replica.cameTo(10n, freshness.marks);
  assert.equal(freshness.isFresh(replica), true, "the primary has not moved");

  freshness.beginAnew();
  assert.equal(freshness.writes.mayLack(KEY, 1_000_000n), true);
  replica.forget();
  replica.cameTo(1_000_000n, freshness.marks);
  assert.equal(freshness.isFresh(replica), false, "where the primary was in the earlier log says nothing of this one");
  replica.cameTo(5n, freshness.marks);
  assert.equal(freshness.isFresh(replica), false, "it went back");
  freshness.askingPrimary()(20n);
  assert.equal(freshness.writes.mayLack(KEY, 20n), false);
});
