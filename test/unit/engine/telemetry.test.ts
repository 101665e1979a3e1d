import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import { openBackend } from "../../../src/backends/open-backend.js";
import { parseBackendUrl } from "../../../src/config/backend-url.js";
import {
  type ChannelMessages,
  type ChannelName,
  createEngine,
  type Engine,
  type EngineOptions,
  StateError,
} from "../../../src/index.js";
import { FaultyDriver } from "../../support/faulty-driver.js";
import type { TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const SETTINGS = { pool: { min: 1, max: 1, idleMs: 60_000 }, retry: { baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 } };

async function openFaulty(t: TestScope, options: EngineOptions): Promise<{ engine: Engine; driver: FaultyDriver }> {
  const driver = new FaultyDriver(await openBackend(parseBackendUrl("memory:", "backend"), SETTINGS));
  const engine = await createEngine({ ...options, backend: driver });
  t.after(() => engine.close());
  return { engine, driver };
}

function listen<Name extends ChannelName>(t: TestScope, name: Name): ChannelMessages[Name][] {
  const messages: ChannelMessages[Name][] = [];
  const onMessage = (message: unknown): void => void messages.push(message as ChannelMessages[Name]);
  subscribe(name, onMessage);
  t.after(() => void unsubscribe(name, onMessage));
  return messages;
}

interface LogLine {
  readonly level: string;
  readonly details: Record<string, unknown>;
  readonly message: string;
}

function logger(lines: LogLine[]): NonNullable<EngineOptions["logger"]> {
  const at = (level: string) => (details: object, message: string) =>
    void lines.push({ level, details: { ...details }, message });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

test("a slow operation is kept with what explains it, and never with its value", async (t) => {
  const lines: LogLine[] = [];
  const { engine, driver } = await openFaulty(t, { slowLog: { thresholdMs: 20, capacity: 8 }, logger: logger(lines) });
  const told = listen(t, "millrace:operation:slow");
  const release = driver.holdAnswers();
  const writes = [engine.put(`slow\u0000${"k".repeat(100)}`, "secret"), engine.put("other", "secret")];
  setTimeout(release, 40);
  await Promise.all(writes);
  const kept = engine.slowOperations();
  assert.equal(kept.length, 2);
  const slow = kept.find(({ key }) => key!.startsWith("slow"))!;
  assert.equal(slow.operation, "put");
  assert.equal(slow.backend, "memory");
  assert.match(slow.key!, /^slow\\x00k+…$/);
  assert.ok(slow.key!.length <= 65);
  assert.deepEqual([slow.batchSize, slow.attempts, slow.error], [2, 1, null]);
  const { queueMs, codecMs, storeMs, decodeMs } = slow.phases!;
  assert.ok(Math.abs(queueMs + codecMs + storeMs + decodeMs - slow.latencyMs) < 0.01);
  assert.ok(storeMs >= 20, "the time went by at the store");
  assert.ok(Math.abs(slow.atMs - Date.now()) < 60_000);
  assert.equal(engine.stats().slowOperations, 2);
  assert.deepEqual(
    told.map(({ key }) => key).reverse(),
    kept.map(({ key }) => key),
  );
  assert.equal(lines.filter(({ message }) => message === "slow operation").length, 1, "one line in a second");
  assert.ok(!JSON.stringify([kept, lines]).includes("secret"));
});

test("an operation that times out is slow, with its error, whether it was sent or not", async (t) => {
  const { engine, driver } = await openFaulty(t, { slowLog: { thresholdMs: 5, capacity: 8 }, retry: { retries: 0 } });
  const release = driver.holdAnswers();
  await assert.rejects(engine.get("a", { timeoutMs: 200 }), StateError);
  release();
  const [slow] = engine.slowOperations();
  assert.deepEqual([slow!.operation, slow!.error, slow!.batchSize], ["get", "TIMEOUT", 1]);
  assert.ok(slow!.phases!.storeMs >= 5);
});

test("a slow call of many keys is one slow operation, without a key", async (t) => {
  const { engine, driver } = await openFaulty(t, { slowLog: { thresholdMs: 20, capacity: 8 } });
  const release = driver.holdAnswers();
  const read = engine.batchGet(["a", "b", "c"]);
  setTimeout(release, 40);
  await read;
  const [slow, ...more] = engine.slowOperations();
  assert.deepEqual([slow!.operation, slow!.key, slow!.batchSize, more.length], ["batchGet", null, 3, 0]);
  assert.equal(engine.stats().slowOperations, 1);
});

test("without the slow log nothing is slow", async (t) => {
  const { engine, driver } = await openFaulty(t, { slowLog: false });
  const release = driver.holdAnswers();
  const read = engine.get("a");
  setTimeout(release, 150);
  await read;
  assert.deepEqual([engine.slowOperations().length, engine.stats().slowOperations], [0, 0]);
});

test("a batch is told when it is sent and when it is done, with its times and what is in it", async (t) => {
  const { engine } = await openFaulty(t, {});
  const sent = listen(t, "millrace:batch:sent");
  const completed = listen(t, "millrace:batch:completed");
  await Promise.all([
    engine.put("a", "1"),
    engine.get("b"),
    engine.get("b"),
    engine.delete("c"),
    engine.increment("n"),
  ]);
  await until("the batch is completed", () => completed.length > 0);
  assert.equal(sent.length, 1);
  assert.deepEqual(sent[0], {
    backend: "memory",
    sequence: 1,
    size: 5,
    bytes: sent[0]!.bytes,
    operation: null,
    commands: { gets: 1, contains: 0, deletes: 1, puts: 1, others: 1 },
  });
  const { durationMs, sentAtMs, answeredAfterMs, error, ...same } = completed[0]!;
  const { encodedAfterMs, ...rest } = same;
  assert.deepEqual(rest, sent[0]);
  assert.equal(error, null);
  assert.ok(encodedAfterMs <= answeredAfterMs && answeredAfterMs <= durationMs);
  assert.ok(Math.abs(sentAtMs - Date.now()) < 60_000);
});

test("retries, failures and the circuit are told, with reasons and without values", async (t) => {
  const { engine, driver } = await openFaulty(t, {
    retry: { retries: 1, baseDelayMs: 1, maxDelayMs: 1 },
    circuitBreaker: { failures: 1, resetMs: 1 },
  });
  const retries = listen(t, "millrace:retry");
  const failures = listen(t, "millrace:operation:failed");
  const circuit = listen(t, "millrace:circuit");
  const completed = listen(t, "millrace:batch:completed");
  driver.plan = { fate: () => "refused", turnsLate: () => 0 };
  await assert.rejects(engine.put("a", "secret"), StateError);
  assert.deepEqual(
    retries.map(({ operation, key, failedAttempts, operations }) => [operation, key, failedAttempts, operations]),
    [["put", "a", 1, 1]],
  );
  assert.equal(failures.length, 1);
  assert.deepEqual([failures[0]!.operation, failures[0]!.key, failures[0]!.outcome], ["put", "a", "not-applied"]);
  assert.equal(failures[0]!.code, retries[0]!.code);
  await until("both attempts are completed", () => completed.length === 2);
  assert.ok(completed.every(({ error }) => error === failures[0]!.code));
  assert.deepEqual(circuit[0], { backend: "memory", from: "closed", to: "open" });
  driver.plan = { fate: () => "done", turnsLate: () => 0 };
  await until("the circuit is half-open", () => engine.stats().circuit === "half-open");
  await engine.put("a", "1");
  assert.deepEqual(
    circuit.map(({ from, to }) => `${from} to ${to}`),
    ["closed to open", "open to half-open", "half-open to closed"],
  );
  assert.ok(!JSON.stringify([retries, failures, circuit, completed]).includes("secret"));
});

test("a budget that burns is logged and told", async (t) => {
  const lines: LogLine[] = [];
  const { engine } = await openFaulty(t, {
    slo: [{ operation: "get", percentile: 99.9, latencyMs: 0.001 }],
    logger: logger(lines),
  });
  const burns = listen(t, "millrace:slo:burn");
  for (let i = 0; i < 50; i++) await engine.get("a");
  const report = engine.slo();
  assert.equal(report.objectives[0]!.burning, "page");
  assert.ok(burns.length > 0 && burns.every(({ state, backend }) => state === "burning" && backend === "memory"));
  assert.ok(lines.some(({ level, message }) => level === "warn" && message.includes("error budget of get p99.9")));
});

test("a batch that is refused counts against its objective, has a latency and is told, key by key", async (t) => {
  const { engine } = await openFaulty(t, {
    queue: { maxPending: 5, overflow: "reject" },
    slo: [{ operation: "batchPut", percentile: 99, latencyMs: 1000 }],
  });
  const failed = listen(t, "millrace:operation:failed");
  const entries = Array.from({ length: 8 }, (_, i) => [`key ${i}`, "value"] as const);
  await assert.rejects(engine.batchPut(entries), { code: "QUEUE_FULL" });
  assert.deepEqual(
    failed.map(({ operation, key, code }) => `${operation} ${key} ${code}`),
    entries.map(([key]) => `put ${key} QUEUE_FULL`),
  );
  assert.equal(engine.stats().latency.batchPut!.count, 1);
  assert.equal(engine.stats().latency.put, undefined);
  const [objective] = engine.slo().objectives;
  assert.deepEqual([objective!.total, objective!.bad], [1, 1]);
});

test("a call of many keys is timed from the call on, what it takes to go through them included", async (t) => {
  const { engine } = await openFaulty(t, {});
  function* slowly(): Generator<string> {
    const endMs = performance.now() + 25;
    while (performance.now() < endMs);
    yield "a";
  }
  function* entries(): Generator<[string, string]> {
    for (const key of slowly()) yield [key, "value"];
  }
  await engine.batchPut(entries());
  await engine.batchGet(slowly());
  await engine.batchDelete(slowly());
  const { latency } = engine.stats();
  for (const call of ["batchPut", "batchGet", "batchDelete"] as const) {
    assert.ok(latency[call]!.maxUs >= 25_000, `${call}: ${latency[call]!.maxUs}`);
  }
});
