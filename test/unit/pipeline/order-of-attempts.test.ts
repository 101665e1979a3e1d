import assert from "node:assert/strict";
import { channel } from "node:diagnostics_channel";
import { after, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Batch } from "../../../src/backends/batch.js";
import { Kind } from "../../../src/backends/request.js";
import { BackendError, ConnectionError, StateError } from "../../../src/core/errors.js";
import { createEngine, type EngineOptions } from "../../../src/index.js";
import { losing } from "../../support/lost-memory.js";
import { until } from "../../support/until.js";
import { HandDriver, succeedAll } from "./hand-driver.js";

/** Deadlines alone keep no process alive, and there is no socket here. */
const alive = setInterval(() => {}, 60_000);
after(() => clearInterval(alive));

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const RETRY = { baseDelayMs: 1, jitter: 0 };

async function endingOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    assert.ok(error instanceof StateError);
    return `${error.code} ${error.outcome}`;
  }
}

test("calls made while a batch is handed over leave after it", async () => {
  const seen: string[] = [];
  const hand = new HandDriver((batch) => {
    batch.forEachLeader(({ key, value }) => seen.push(`${key}=${value}`));
    succeedAll(batch);
  });
  const engine = await createEngine({ backend: hand.driver, batching: { maxSize: 2 } });
  let once = true;
  const called: Promise<unknown>[] = [];
  const onSent = (): void => {
    if (!once) return;
    once = false;
    called.push(engine.put("k", "called later"));
    for (let other = 0; other < 8; other++) called.push(engine.put(`other${other}`, "x"));
  };
  const sent = channel("millrace:batch:sent");
  sent.subscribe(onSent);
  try {
    await engine.put("k", "called first");
    await Promise.all(called);
    assert.equal(called.length, 9);
    assert.deepEqual(
      seen.filter((put) => put.startsWith("k=")),
      ["k=called first", "k=called later"],
    );
  } finally {
    sent.unsubscribe(onSent);
    await engine.close();
  }
});

test("a superseded write is not sent again where the newer one may have been applied", async () => {
  const seen: string[] = [];
  const hand = new HandDriver((batch, driver) => {
    for (const { value } of batch.puts) seen.push(String(value));
    if (driver.batches.length > 1) {
      succeedAll(batch);
      return;
    }
    driver.writable = false;
    batch.forEachLeader((leader) =>
      batch.fail(leader, new ConnectionError("lost", { outcome: "unknown", retryable: true })),
    );
    batch.complete();
  });
  const engine = await createEngine({ backend: hand.driver, retry: RETRY });
  const older = endingOf(engine.put("k", "older"));
  const newer = endingOf(engine.put("k", "newer", { timeoutMs: 20 }));
  assert.equal(await newer, "TIMEOUT unknown");
  hand.writable = true;
  hand.context!.onReconnected();
  assert.equal(await older, "CONNECTION unknown");
  await engine.flush();
  assert.deepEqual(seen, ["newer"]);
  await engine.close();
});

test("a call that is tried again while its first batch is under way belongs to its latest batch", async () => {
  const hand = new HandDriver(() => {});
  const engine = await createEngine({ backend: hand.driver, retry: RETRY, compression: { codec: "none" } });
  const controller = new AbortController();
  const put = endingOf(engine.put("k", "value", { signal: controller.signal }));
  const other = endingOf(engine.get("other"));
  await until("the first batch is sent", () => hand.batches.length === 1);
  const first = hand.batches[0]!;
  first.fail(first.puts[0]!, new BackendError("deadlock", { outcome: "not-applied", retryable: true }));
  await until("the second batch is sent", () => hand.batches.length === 2);
  const second = hand.batches[1]!;
  controller.abort();
  assert.equal(await put, "ABORTED unknown");
  assert.deepEqual(hand.abandoned, [second]);
  succeedAll(second);
  first.succeed(first.reads[0]!, null);
  first.complete();
  assert.equal(await other, "done");
  await engine.close();
});

test("a write that was refused and waits to be tried again is given up as not applied, and never sent again", async () => {
  const hand = new HandDriver(() => {});
  const engine = await createEngine({ backend: hand.driver, retry: RETRY, batching: { maxInFlight: 1 } });
  const controller = new AbortController();
  const put = endingOf(engine.put("k", "value", { signal: controller.signal }));
  const other = endingOf(engine.get("other"));
  await until("the batch is sent", () => hand.batches.length === 1);
  const first = hand.batches[0]!;
  hand.writable = false;
  first.fail(first.puts[0]!, new BackendError("deadlock", { outcome: "not-applied", retryable: true }));
  await new Promise((resolve) => setTimeout(resolve, 10));
  controller.abort();
  assert.equal(await put, "ABORTED not-applied");
  assert.deepEqual(hand.abandoned, []);
  first.succeed(first.reads[0]!, null);
  first.complete();
  hand.writable = true;
  hand.context!.onReconnected();
  assert.equal(await other, "done");
  await engine.flush();
  assert.equal(hand.batches.length, 1);
  await engine.close();
});

for (const calls of [["delete"], ["delete", "put", "delete"]] as const) {
  test(`${calls.join(", ")} of one key in one turn: what the store refuses for now is tried again`, async () => {
    const hand = new HandDriver((batch, driver) => {
      if (driver.batches.length > 1) {
        succeedAll(batch);
        return;
      }
      const error = new BackendError("LOADING", { reason: "LOADING", outcome: "not-applied", retryable: true });
      batch.forEachLeader((leader) => batch.fail(leader, error));
      batch.complete();
    });
    const engine = await createEngine({ backend: hand.driver, retry: RETRY });
    const endings = calls.map((call) => endingOf(call === "put" ? engine.put("k", "v") : engine.delete("k")));
    assert.deepEqual(
      await Promise.all(endings),
      calls.map(() => "done"),
    );
    await engine.close();
  });
}

test("an aborted signal of many calls tells the driver once for each batch", async () => {
  const hand = new HandDriver(() => {});
  const engine = await createEngine({ backend: hand.driver, batching: { maxSize: 50 } });
  const controller = new AbortController();
  const keys = Array.from({ length: 200 }, (_, index) => `k${index}`);
  const call = endingOf(engine.batchGet(keys, { signal: controller.signal }));
  await until("all are sent", () => hand.batches.reduce((sum, { size }) => sum + size, 0) === keys.length);
  controller.abort();
  assert.equal(await call, "ABORTED not-applied");
  assert.deepEqual(new Set(hand.abandoned), new Set(hand.batches));
  assert.equal(hand.abandoned.length, hand.batches.length);
  for (const batch of hand.batches) succeedAll(batch);
  await engine.close();
});

test("a batch of which all was given up before it was sent says nothing about the store", async () => {
  const answer = (batch: Batch): void => {
    const error = new ConnectionError("dead", { outcome: "not-applied", retryable: true });
    batch.forEachLeader((leader) => batch.fail(leader, error));
    batch.complete();
  };
  const hand = new HandDriver(answer);
  const engine = await createEngine({
    ...{ backend: hand.driver, retry: { retries: 0 }, workers: { threads: 1, offload: "always" } },
    ...{ circuitBreaker: { failures: 2, resetMs: 100 } },
  });
  const large = "x y ".repeat(3_000_000);
  await endingOf(engine.put("starts the thread", large));
  await endingOf(engine.get("a"));
  assert.equal(engine.stats().circuit, "open");
  await until("the circuit lets a call try", () => engine.stats().circuit === "half-open");
  const handed = hand.batches.length;
  // Its deadline passes in the turn in which it goes to the codec thread, behind which timers come before any answer.
  await new Promise<void>((resolve) => setImmediate(resolve));
  const probe = endingOf(engine.put("probe", large, { timeoutMs: 1 }));
  process.nextTick(() => {
    assert.equal(engine.stats().inFlightBatches, 1);
    const until = performance.now() + 20;
    while (performance.now() < until);
  });
  assert.equal(await probe, "TIMEOUT not-applied");
  await until("nothing is under way", () => engine.stats().inFlightBatches === 0);
  assert.equal(hand.batches.length, handed, "the probe was given up before it was sent");
  assert.notEqual(engine.stats().circuit, "closed");
  await engine.close();
});

test("metadata and the value that is expected count among the bytes of a batch", async () => {
  const hand = new HandDriver(succeedAll);
  const engine = await createEngine({ backend: hand.driver, batching: { maxBytes: 64 * 1024 }, pool: { max: 1 } });
  const text = "x".repeat(40_000);
  const calls = [0, 1, 2].flatMap((index) => [
    engine.put(`put${index}`, "v", { metadata: { text } }),
    engine.compareAndSwap(`swap${index}`, text, null),
  ]);
  await Promise.all(calls);
  for (const batch of hand.batches) {
    let leaders = 0;
    batch.forEachLeader(() => leaders++);
    assert.equal(leaders, 1);
  }
  assert.equal(hand.batches.length, calls.length);
  assert.equal(hand.batches[0]!.others.length + hand.batches[0]!.puts.length, 1);
  assert.equal(engine.stats().bytesWritten, 3);
  await engine.transaction([
    { type: "delete", key: "a key of some length" },
    { type: "put", key: "another one", value: "v" },
  ]);
  assert.equal(engine.stats().bytesWritten, 4);
  assert.ok(hand.batches.at(-1)!.others.every(({ kind }) => kind === Kind.transaction));
  await engine.close();
});

const refused = new BackendError("BUSY", { outcome: "not-applied", retryable: true });

function refuseAll(batch: Batch): void {
  batch.forEachLeader((leader) => batch.fail(leader, refused));
}

/** An engine over a store that answers when a test does. */
async function held(options: Omit<EngineOptions, "backend"> = {}) {
  const hand = new HandDriver(() => {});
  const engine = await createEngine({ retry: RETRY, ...options, backend: hand.driver });
  const sent = (batches: number): Promise<void> =>
    until(`batch ${batches} is sent`, () => hand.batches.length === batches);
  return { hand, engine, sent };
}

test("a read that is tried again shares the answer of a later one under way, and never comes after it", async () => {
  const { hand, engine, sent } = await held();
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const first = engine.get("k");
  const firstToo = engine.contains("k");
  const other = engine.get("other");
  await sent(1);
  const second = engine.get("k");
  await turn();
  const third = engine.contains("k");
  await sent(3);
  const [one, two, three] = hand.batches as [Batch, Batch, Batch];
  refuseAll(one);
  // A lost connection may fail everything once more.
  refuseAll(one);
  one.complete();
  // Nobody else reads this one.
  await sent(4);
  assert.deepEqual(
    hand.batches[3]!.reads.map(({ key }) => key),
    ["other"],
  );
  two.forEachLeader((leader) => two.succeed(leader, null));
  two.complete();
  three.forEachLeader((leader) => three.succeed(leader, true));
  three.complete();
  succeedAll(hand.batches[3]!);
  assert.deepEqual(await Promise.all([first, firstToo, second, third, other]), [null, false, null, true, null]);
  assert.equal(hand.batches.length, 4);
  assert.equal(engine.stats().pending, 0);
  await engine.close();
});

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
    const keys = batch.leaders().map(({ key }) => key);
    assert.deepEqual([batch.mostTogether, ...keys], [mostTogether, "c", "a", "b"]);
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

test("a read that shares a later answer has its own deadline, and is tried again with that one", async () => {
  const { hand, engine, sent } = await held();
  const patient = engine.get("k");
  const hurried = endingOf(engine.get("k", { timeoutMs: 40 }));
  await sent(1);
  const second = engine.get("k");
  await sent(2);
  const [one, two] = hand.batches as [Batch, Batch];
  refuseAll(one);
  one.complete();
  assert.equal(await hurried, "TIMEOUT not-applied");
  refuseAll(two);
  two.complete();
  await sent(3);
  assert.deepEqual(
    hand.batches[2]!.reads.map(({ key }) => key),
    ["k"],
  );
  succeedAll(hand.batches[2]!);
  assert.deepEqual(await Promise.all([patient, second]), [null, null]);
  await engine.close();
});

test("a flush waits for a read that shares a later answer", async () => {
  const { hand, engine, sent } = await held();
  const ended: string[] = [];
  const first = engine.get("k").then(() => ended.push("get"));
  const flushed = engine.flush().then(() => ended.push("flush"));
  await sent(1);
  const second = engine.get("k");
  await sent(2);
  const [one, two] = hand.batches as [Batch, Batch];
  refuseAll(one);
  one.complete();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(ended, []);
  succeedAll(two);
  await Promise.all([first, flushed, second]);
  assert.deepEqual(ended, ["get", "flush"]);
  await engine.close();
});

test("a leader that has its answer and fails twice leads nobody in a circle", async () => {
  for (const isReadAgain of [true, false]) {
    const { hand, engine, sent } = await held();
    const hurried = endingOf(engine.get("k", { timeoutMs: 20 }));
    const followers = [engine.get("k"), engine.get("k")];
    await sent(1);
    const [one] = hand.batches as [Batch];
    if (isReadAgain) followers.push(engine.get("k"));
    assert.equal(await hurried, "TIMEOUT not-applied");
    const [leader] = one.reads;
    one.fail(leader!, refused);
    one.fail(leader!, refused);
    await sent(2);
    one.fail(leader!, refused);
    one.complete();
    succeedAll(hand.batches[1]!);
    assert.deepEqual(await Promise.all(followers), Array(followers.length).fill(null));
    assert.equal(hand.batches.length, 2);
    await engine.close();
  }
});
