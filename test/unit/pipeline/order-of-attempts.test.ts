import assert from "node:assert/strict";
import { channel } from "node:diagnostics_channel";
import { test } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import { Kind } from "../../../src/backends/request.js";
import { BackendError, ConnectionError } from "../../../src/core/errors.js";
import { createEngine } from "../../../src/index.js";
import { until } from "../../support/until.js";
import { HandDriver, succeedAll } from "./hand-driver.js";
import { endingOf, type HeldEngine, held, keysIn, RETRY } from "./held-engine.js";

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
  // It is long enough for a machine that is busy just then.
  const timeoutMs = 250;
  await new Promise<void>((resolve) => setImmediate(resolve));
  const probe = endingOf(engine.put("probe", large, { timeoutMs }));
  process.nextTick(() => {
    assert.equal(engine.stats().inFlightBatches, 1);
    const until = performance.now() + timeoutMs + 20;
    while (performance.now() < until);
  });
  assert.equal(await probe, "TIMEOUT not-applied");
  await until("nothing is under way", () => engine.stats().inFlightBatches === 0);
  assert.equal(hand.batches.length, handed, "the probe was given up before it was sent");
  assert.notEqual(engine.stats().circuit, "closed");
  await engine.close();
});

test("a call that is aborted while its batch waits for a codec thread is not sent, and its neighbours are", async () => {
  const { hand, engine, sent } = await held({ workers: { threads: 1, offload: "always" } });
  const large = "x y ".repeat(5000);
  const controller = new AbortController();
  const aborted = endingOf(engine.put("aborted", large, { signal: controller.signal }));
  const kept = endingOf(engine.put("kept", large));
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal(engine.stats().inFlightBatches, 1);
  controller.abort();
  assert.equal(await aborted, "ABORTED not-applied");
  await sent(1);
  const [batch] = hand.batches;
  assert.deepEqual(keysIn(batch!), ["kept"]);
  succeedAll(batch!);
  assert.equal(await kept, "done");
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
  assert.deepEqual(keysIn(hand.batches[3]!), ["other"]);
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

/** The batch under way is refused once another read of the key is under way behind it. */
async function refuseBehindLater({
  hand,
  engine,
  sent,
}: HeldEngine): Promise<{ second: Promise<unknown>; two: Batch }> {
  await sent(1);
  const second = engine.get("k");
  await sent(2);
  const [one, two] = hand.batches as [Batch, Batch];
  refuseAll(one);
  one.complete();
  return { second, two };
}

test("a read that shares a later answer has its own deadline, and is tried again with that one", async () => {
  const scene = await held();
  const { hand, engine, sent } = scene;
  const patient = engine.get("k");
  const hurried = endingOf(engine.get("k", { timeoutMs: 40 }));
  const { second, two } = await refuseBehindLater(scene);
  assert.equal(await hurried, "TIMEOUT not-applied");
  refuseAll(two);
  two.complete();
  await sent(3);
  assert.deepEqual(keysIn(hand.batches[2]!), ["k"]);
  succeedAll(hand.batches[2]!);
  assert.deepEqual(await Promise.all([patient, second]), [null, null]);
  await engine.close();
});

test("a flush waits for a read that shares a later answer", async () => {
  const scene = await held();
  const { engine } = scene;
  const ended: string[] = [];
  const first = engine.get("k").then(() => ended.push("get"));
  const flushed = engine.flush().then(() => ended.push("flush"));
  const { second, two } = await refuseBehindLater(scene);
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
