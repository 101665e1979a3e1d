import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Batch } from "../../../src/backends/batch.js";
import { Kind } from "../../../src/backends/request.js";
import { BackendError, ConnectionError } from "../../../src/core/errors.js";
import { losing } from "../../support/lost-memory.js";
import { until } from "../../support/until.js";
import { succeedAll } from "./hand-driver.js";
import { endingOf, held, keysIn, RETRY } from "./held-engine.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const forbidden = new BackendError("NOPERM", { outcome: "not-applied" });

function refuseTogether(batch: Batch): void {
  batch.forEachLeader((leader) => batch.refuseWithOthers(leader, forbidden));
  batch.complete();
}

test("what a store refused together comes again at once with fewer others, then alone, without a retry left", async () => {
  const { hand, engine, sent } = await held({ retry: { retries: 0, baseDelayMs: 60_000, maxDelayMs: 60_000 } });
  const calls = ["a", "b"].map((key) => endingOf(engine.put(key, "1")));
  const read = endingOf(engine.get("c"));
  for (const [index, mostTogether] of [Number.POSITIVE_INFINITY, 8, 1].entries()) {
    await sent(index + 1);
    const batch = hand.batches[index]!;
    assert.deepEqual([batch.mostTogether, ...keysIn(batch)], [mostTogether, "c", "a", "b"]);
    if (mostTogether > 1) refuseTogether(batch);
  }
  const last = hand.batches[2]!;
  last.forEachLeader((leader) => {
    if (leader.key === "b") last.refuseWithOthers(leader, forbidden);
    else last.succeed(leader, leader.kind === Kind.put ? undefined : null);
  });
  last.complete();
  assert.deepEqual(await Promise.all([...calls, read]), ["done", "BACKEND not-applied", "done"]);
  const after = engine.get("d");
  await sent(4);
  assert.equal(hand.batches[3]!.mostTogether, Number.POSITIVE_INFINITY);
  succeedAll(hand.batches[3]!);
  await after;
  await engine.close();
});

test("reads that were refused together share later answers, but not one after the other for ever", async () => {
  const { hand, engine, sent } = await held();
  const both = () => ["wanted", "unwanted"].map((key) => endingOf(engine.get(key)));
  const calls = [both()];
  await sent(1);
  calls.push(both());
  await sent(2);
  refuseTogether(hand.batches[0]!);
  // They share the answers that are under way, so that only these are sent.
  calls.push(both());
  await sent(3);
  refuseTogether(hand.batches[1]!);
  const last = hand.batches[2]!;
  assert.deepEqual([last.mostTogether, last.size], [1, 2]);
  last.forEachLeader((leader) => {
    if (leader.key === "wanted") last.succeed(leader, null);
    else last.fail(leader, forbidden);
  });
  last.complete();
  for (const pair of calls) assert.deepEqual(await Promise.all(pair), ["done", "BACKEND not-applied"]);
  assert.equal(hand.batches.length, 3);
  await engine.close();
});

test("what was refused together and cannot come again fails, and says nothing about the store", async () => {
  const { hand, engine, sent } = await held({
    circuitBreaker: { failures: 1, resetMs: 60_000 },
    degraded: { reads: "miss" },
  });
  const older = endingOf(engine.put("k", "older"));
  const read = endingOf(engine.get("r"));
  const other = endingOf(engine.put("other", "1"));
  await sent(1);
  const newer = ["k", "r"].map((key) => endingOf(engine.put(key, "newer")));
  await sent(2);
  const [one, two] = hand.batches as [Batch, Batch];
  refuseTogether(one);
  assert.deepEqual([await older, await read], ["BACKEND not-applied", "BACKEND not-applied"]);
  assert.equal(engine.stats().circuit, "closed");
  succeedAll(two);
  await sent(3);
  // So that what comes behind it does not overtake the next.
  assert.equal(hand.batches[2]!.mostTogether, 1);
  succeedAll(hand.batches[2]!);
  assert.deepEqual(await Promise.all([other, ...newer]), ["done", "done", "done"]);
  await engine.close();
});

test("a superseded put does not come again where the one that superseded it may have been applied, its value lost since", async () => {
  const { hand, engine, sent } = await held({ retry: { ...RETRY, retries: 0 } });
  const older = endingOf(engine.put("k", "older"));
  const value = losing(64);
  const newer = endingOf(engine.put("k", value.bytes));
  await sent(1);
  value.lose();
  const batch = hand.batches[0]!;
  const lost = new ConnectionError("lost", { outcome: "unknown", retryable: true });
  batch.forEachLeader((leader) => batch.fail(leader, lost));
  batch.complete();
  assert.deepEqual(await Promise.all([older, newer]), ["CONNECTION unknown", "CONNECTION unknown"]);
  assert.equal(hand.batches.length, 1);
  await engine.close();
});

test("what was refused together and then given up is not kept", async () => {
  const { hand, engine, sent } = await held();
  const kept: WeakRef<Buffer>[] = [];
  const put = (key: string): Promise<string> => {
    const value = Buffer.alloc(64 * 1024);
    kept.push(new WeakRef(value));
    return endingOf(engine.put(key, value, { timeoutMs: 30 }));
  };
  const calls = ["a", "b"].map(put);
  await sent(1);
  hand.writable = false;
  refuseTogether(hand.batches[0]!);
  assert.deepEqual(await Promise.all(calls), ["TIMEOUT not-applied", "TIMEOUT not-applied"]);
  hand.writable = true;
  hand.batches.length = 0;
  const next = engine.put("c", "1");
  await sent(1);
  succeedAll(hand.batches[0]!);
  await next;
  hand.batches.length = 0;
  await until("they are collected", () => {
    collectGarbage();
    return kept.every((value) => value.deref() === undefined);
  });
  await engine.close();
});
