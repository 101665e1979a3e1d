import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import { FaultyDriver } from "../support/faulty-driver.js";
import { failureOf, settled } from "../support/outcomes.js";
import type { Store, StoreOptions, TestScope } from "../support/stores.js";
import { textAt } from "./single-key-calls.js";

const LONG = "a value of three kilobytes ".repeat(120);

async function openWatched(
  store: Store,
  t: TestScope,
  options: StoreOptions = {},
): Promise<{ engine: Engine; driver: FaultyDriver; sentKeys: string[] }> {
  const place = await store.place(t);
  const driver = new FaultyDriver(await place.driver());
  const sentKeys: string[] = [];
  driver.onExecute = (batch) => batch.forEachLeader((leader) => void sentKeys.push(leader.key));
  const engine = await createEngine({ ...options, keyPrefix: place.keyPrefix, backend: driver } as EngineOptions);
  t.after(() => engine.close());
  return { engine, driver, sentKeys };
}

function turned(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function keepLoop(forMs: number): void {
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs);
}

/** The promises of the public face that one call alone cannot show. */
export function testPromises(store: Store): void {
  test(`${store.name}: calls on one key take effect in the order of the calls, awaited or not`, async (t) => {
    const engine = await (await store.place(t)).open({ batching: { maxSize: 7, maxInFlight: 3 } });
    const answers: Promise<unknown>[] = [];
    for (let round = 0; round < 200; round++) {
      void engine.put("a", `${round}`);
      answers.push(textAt(engine, "a"));
      answers.push(engine.increment("a"));
      answers.push(engine.batchGet(["a", "b"]).then(([a]) => String(a)));
      void engine.batchPut([["a", `batch ${round}`]]);
      answers.push(engine.getAndDelete("a").then(String));
      answers.push(engine.contains("a"));
      if (round % 17 === 0) await answers.at(-1);
    }
    const expected = Array.from({ length: 200 }, (_, round) => [
      `${round}`,
      BigInt(round + 1),
      `${round + 1}`,
      `batch ${round}`,
      false,
    ]);
    assert.deepEqual(await Promise.all(answers), expected.flat());
  });

  test(`${store.name}: a returned Buffer is the caller's own to change`, async (t) => {
    const engine = await (await store.place(t)).open();
    const given = Buffer.from("given");
    const written = engine.put("a", given);
    const behindPut = await engine.get("a");
    await written;
    given.fill(0);
    assert.equal(String(behindPut), "given");
    await engine.put("b", LONG);
    for (const [key, value] of [
      ["a", "given"],
      ["b", LONG],
    ] as const) {
      const buffers = [
        ...(await Promise.all([engine.get(key), engine.get(key)])),
        ...(await engine.batchGet([key, key])),
      ];
      for (const buffer of buffers) {
        assert.equal(String(buffer), value);
        buffer!.fill(0xff);
      }
      assert.equal(await textAt(engine, key), value);
    }
  });

  test(`${store.name}: a returned Buffer keeps no larger memory alive`, async (t) => {
    const engine = await (await store.place(t)).open();
    const noise = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 13) & 0xff));
    await engine.batchPut([
      ["small", "x"],
      ["compressed", LONG],
      ["large", noise],
    ]);
    const all = await engine.batchGet(["small", "compressed", "large", "small", "large"]);
    all.push(await engine.get("large"), await engine.getAndDelete("small"), await engine.getAndDelete("large"));
    for await (const [, value] of engine.entries()) all.push(value);
    for (const value of all) {
      const kept = value!.buffer.byteLength;
      assert.ok(kept <= 8192 || kept <= value!.length + 64, `${value!.length} bytes keep ${kept}`);
    }
  });

  test(`${store.name}: a call made alone is sent in the same turn of the event loop`, async (t) => {
    const { engine, driver } = await openWatched(store, t);
    for (const call of [() => engine.get("a"), () => engine.put("a", "1"), () => engine.increment("n")]) {
      let turnIsOver = false;
      let sentInTurn: boolean | undefined;
      driver.onExecute = () => {
        sentInTurn = !turnIsOver;
      };
      const over = new Promise<void>((resolve) => {
        setImmediate(() => {
          turnIsOver = true;
          resolve();
        });
      });
      const answer = call();
      await over;
      assert.equal(sentInTurn, true);
      await answer;
    }
  });

  test(`${store.name}: at its deadline a call that waits is dropped, one that was sent is unknown`, async (t) => {
    const { engine, driver, sentKeys } = await openWatched(store, t, { batching: { maxInFlight: 1 } });
    const release = driver.holdAnswers();
    const sent = failureOf(engine.put("sent", "1", { timeoutMs: 20 }));
    const read = failureOf(engine.get("read", { timeoutMs: 20 }));
    await new Promise((resolve) => setImmediate(resolve));
    const queued = failureOf(engine.put("queued", "1", { timeoutMs: 20 }));
    const patient = settled(engine.put("patient", "1", { timeoutMs: 20_000 }));
    const [sentError, readError, queuedError] = await Promise.all([sent, read, queued]);
    assert.deepEqual([sentError.code, sentError.outcome, sentError.retryable], ["TIMEOUT", "unknown", true]);
    assert.deepEqual([readError.code, readError.outcome], ["TIMEOUT", "not-applied"]);
    assert.deepEqual([queuedError.code, queuedError.outcome], ["TIMEOUT", "not-applied"]);
    release();
    assert.ok((await patient).ok);
    assert.ok(!sentKeys.includes("queued"), "a call that had timed out was sent");
    assert.equal(await engine.contains("sent"), true);
    assert.equal(engine.stats().pending, 0);
  });

  test(`${store.name}: answers that came while this process was busy count, although deadlines have passed`, async (t) => {
    // A value that waits for a codec thread has not been sent.
    const { engine, sentKeys } = await openWatched(store, t, { workers: { offload: "never" } });
    const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`);
    const calls = (timeoutMs: number): Promise<unknown>[] =>
      keys.flatMap((key) => [engine.put(key, LONG, { timeoutMs }), engine.get(key, { timeoutMs })]);
    // Connections, statements and codec threads are there then.
    await Promise.all(calls(20_000));
    sentKeys.length = 0;
    const answers = calls(200);
    while (sentKeys.length < keys.length) await turned();
    // LMDB begins to write some turns later.
    if (store.name === "lmdb") for (let turn = 0; turn < 5; turn++) await turned();
    keepLoop(800);
    const outcomes = await Promise.all(answers.map(settled));
    assert.deepEqual(
      outcomes.filter(({ ok }) => !ok),
      [],
    );
  });

  test(`${store.name}: what could not leave before its deadline, because this process was busy, never leaves`, async (t) => {
    const { engine, sentKeys } = await openWatched(store, t);
    await engine.put("first", "1");
    const late = ["a", "b"].map((key) => failureOf(engine.put(key, "1", { timeoutMs: 10 })));
    const patient = engine.put("patient", "1", { timeoutMs: 20_000 });
    keepLoop(30);
    for (const { code, outcome } of await Promise.all(late))
      assert.deepEqual([code, outcome], ["TIMEOUT", "not-applied"]);
    await patient;
    assert.deepEqual(sentKeys, ["first", "patient"]);
  });

  test(`${store.name}: an abort stops a call that waits and leaves one that was sent unknown`, async (t) => {
    const { engine, driver, sentKeys } = await openWatched(store, t, { batching: { maxInFlight: 1 } });
    const { signal: aborted } = { signal: AbortSignal.abort(new Error("changed my mind")) };
    const before = await failureOf(engine.put("before", "1", { signal: aborted }));
    assert.deepEqual(
      [before.code, before.outcome, (before.cause as Error).message],
      ["ABORTED", "not-applied", "changed my mind"],
    );
    const release = driver.holdAnswers();
    const controller = new AbortController();
    const { signal } = controller;
    const sent = [failureOf(engine.put("sent", "1", { signal })), failureOf(engine.get("read", { signal }))];
    await new Promise((resolve) => setImmediate(resolve));
    const queued = [
      failureOf(engine.put("queued", "1", { signal })),
      failureOf(engine.batchPut([["queued in a batch", "1"]], { signal })),
    ];
    const other = engine.put("other", "1");
    controller.abort();
    const [sentError, readError, queuedError, batchError] = await Promise.all([...sent, ...queued]);
    assert.deepEqual([sentError!.code, sentError!.outcome], ["ABORTED", "unknown"]);
    assert.deepEqual([readError!.code, readError!.outcome], ["ABORTED", "not-applied"]);
    assert.deepEqual([queuedError!.code, queuedError!.outcome], ["ABORTED", "not-applied"]);
    assert.deepEqual([batchError!.code, batchError!.outcome], ["ABORTED", "not-applied"]);
    release();
    await other;
    assert.ok(!sentKeys.some((key) => key.startsWith("queued")));
    assert.equal(await engine.count("before"), 0);
  });

  test(`${store.name}: a signal that outlives its calls gathers no listeners`, async (t) => {
    const engine = await (await store.place(t)).open();
    const controller = new AbortController();
    let listeners = 0;
    let most = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      most = Math.max(most, ++listeners);
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    await Promise.all(Array.from({ length: 50 }, (_, i) => engine.put(`key ${i % 7}`, "1", { signal })));
    await engine.batchGet(
      Array.from({ length: 1000 }, (_, i) => `key ${i}`),
      { signal },
    );
    assert.equal(most, 1, "each would be compared with all that are there");
    assert.equal(listeners, 0);
  });

  test(`${store.name}: with overflow 'reject' a call beyond maxPending fails at once and the rest go on`, async (t) => {
    const { engine, driver, sentKeys } = await openWatched(store, t, { queue: { maxPending: 10, overflow: "reject" } });
    const release = driver.holdAnswers();
    const admitted = Array.from({ length: 10 }, (_, i) => engine.put(`key ${i}`, "1"));
    const refused = await failureOf(engine.put("too many", "1"));
    assert.deepEqual(
      [refused.code, refused.outcome, refused.retryable, refused.reason],
      ["QUEUE_FULL", "not-applied", true, "ERR_QUEUE_FULL"],
    );
    const batch = await failureOf(engine.batchPut([["batch", "1"]]));
    assert.deepEqual([batch.code, batch.retryable], ["QUEUE_FULL", true]);
    assert.equal(engine.stats().pending, 10);
    release();
    await Promise.all(admitted);
    assert.ok(!sentKeys.includes("too many") && !sentKeys.includes("batch"));
    await engine.put("room again", "1");
    const large = await failureOf(engine.batchPut(Array.from({ length: 11 }, (_, i) => [`key ${i}`, "2"] as const)));
    assert.deepEqual([large.code, large.retryable], ["QUEUE_FULL", false], "it would never be taken");
    assert.equal(await textAt(engine, "key 0"), "1", "a refused batch was sent in part");
  });

  test(`${store.name}: with overflow 'reject' pending work is bounded by bytes, too`, async (t) => {
    const mebibyte = 1 << 20;
    const queue = { maxBytes: mebibyte, overflow: "reject" } as const;
    const { engine, driver, sentKeys } = await openWatched(store, t, { queue });
    const large = "x".repeat(mebibyte);
    await engine.put("larger than all the room", large);
    await engine.batchPut(["a", "b"].map((key) => [key, large] as const));
    assert.equal(engine.stats().pendingBytes, 0);
    const release = driver.holdAnswers();
    const admitted = engine.put("most of it", large.slice(100));
    assert.equal(engine.stats().pendingBytes, "most of it".length + mebibyte - 100);
    const refused = await failureOf(engine.put("too much", "y".repeat(100)));
    assert.deepEqual([refused.code, refused.outcome, refused.retryable], ["QUEUE_FULL", "not-applied", true]);
    const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`);
    assert.deepEqual([(await failureOf(engine.batchDelete(keys))).code], ["QUEUE_FULL"]);
    const little = engine.get("little");
    release();
    await Promise.all([admitted, little]);
    assert.ok(!sentKeys.includes("too much") && !sentKeys.includes("key 0"));
    assert.equal(engine.stats().pendingBytes, 0);
    await engine.put("room again", large);
  });

  test(`${store.name}: with overflow 'wait' calls beyond maxPending wait for room and keep their order`, async (t) => {
    const { engine, driver } = await openWatched(store, t, { queue: { maxPending: 10, overflow: "wait" } });
    const release = driver.holdAnswers();
    const writes = Array.from({ length: 100 }, (_, i) => engine.put("a", `${i}`));
    const read = textAt(engine, "a");
    assert.equal(engine.stats().pending, 10);
    assert.equal(engine.stats().waiting, 91);
    release();
    await Promise.all(writes);
    assert.equal(await read, "99");
    assert.equal(engine.stats().waiting, 0);
  });

  test(`${store.name}: errors name the operation, the key up to 64 bytes, and the store`, async (t) => {
    const engine = await (await store.place(t)).open();
    const longKey = `${"k".repeat(60)}éééé`;
    await engine.put(longKey, "word");
    const error = await failureOf(engine.increment(longKey));
    assert.equal(error.operation, "increment");
    assert.equal(error.backend, store.name);
    assert.equal(error.key, `${"k".repeat(60)}éé…`);
    assert.ok(error.message.startsWith(`increment "${"k".repeat(60)}éé…" on ${store.name}: `), error.message);
    await engine.put(Buffer.of(0, 10, 0xff), "word");
    const binary = await failureOf(engine.increment(Buffer.of(0, 10, 0xff)));
    assert.equal(binary.key, "\\x00\\x0a\\xff");
    const inNamespace = engine.namespace("n:");
    await inNamespace.put("a", "word");
    assert.equal((await failureOf(inNamespace.increment("a"))).key, "n:a");
  });
}
