import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createEngine, type Engine } from "../../../src/index.js";
import { type TestScope, temporaryFolder } from "../../support/lmdb-scope.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { until } from "../../support/until.js";

const script = fileURLToPath(new URL("fixtures/keeps-the-lock.js", import.meta.url));

async function frozenInTransaction(t: TestScope, path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => void child.kill("SIGKILL"));
  await once(child.stdout!, "data");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "close");
}

async function open(t: TestScope, path: string, operationMs: number): Promise<Engine> {
  const options = { timeouts: { operationMs, connectMs: 300 }, retry: { retries: 0 }, circuitBreaker: false } as const;
  const engine = await createEngine({ backend: `lmdb:${path}`, ...options });
  t.after(() => engine.close());
  return engine;
}

test("beside a process that stands still in its transaction an engine closes, and says honestly what is not written", async (t) => {
  nothingEscapes(t);
  const path = await temporaryFolder(t);
  const engine = await open(t, path, 300);
  await engine.put("a", "1");
  const neighbour = await frozenInTransaction(t, path);
  // Longer than the library is waited for: it is the store that says what became of them.
  const patient = { timeoutMs: 60_000 };
  const put = settled(engine.put("b", "1", patient));
  await until("the put is in the library's hands", () => engine.stats().batches === 2);
  await new Promise((resolve) => setImmediate(resolve));
  const increment = settled(engine.increment("counter", 1, patient));
  const late = settled(createEngine({ backend: `lmdb:${path}`, timeouts: { connectMs: 300 } }));
  assert.equal(String(await engine.get("a")), "1");
  for (const [call, outcome] of [
    [put, "unknown"],
    [increment, "not-applied"],
  ] as const) {
    const ending = await call;
    assert.ok(!ending.ok);
    assert.deepEqual([ending.error.code, ending.error.outcome], ["TIMEOUT", outcome]);
  }
  const second = await late;
  assert.ok(!second.ok);
  assert.deepEqual([second.error.code, second.error.reason], ["CONNECTION", "ERR_OPEN"]);
  const clear = await failureOf(engine.clear());
  assert.deepEqual([clear.code, clear.operation, clear.outcome], ["TIMEOUT", "clear", "not-applied"]);
  await engine.close();
  await kill(neighbour);
  let again: Engine | undefined;
  await until("the library is free, and the store opens", async () => {
    again = await createEngine(`lmdb:${path}`).catch(() => undefined);
    return again !== undefined;
  });
  t.after(() => again?.close());
  assert.equal(String(await again!.get("a")), "1");
  assert.equal(await again!.get("counter"), null);
});

test("once its neighbour has gone an engine that was not closed writes again", async (t) => {
  nothingEscapes(t);
  const path = await temporaryFolder(t);
  const engine = await open(t, path, 300);
  const neighbour = await frozenInTransaction(t, path);
  const clear = settled(engine.clear());
  const put = settled(engine.put("a", "1"));
  assert.equal((await clear).ok, false);
  await kill(neighbour);
  const ending = await put;
  await until("a put is acknowledged", async () => (await settled(engine.put("b", "2"))).ok);
  assert.equal(String(await engine.get("b")), "2");
  const isThere = await engine.contains("a");
  if (ending.ok || ending.error.outcome === "not-applied") assert.equal(isThere, ending.ok);
  assert.equal(await engine.clear(), isThere ? 2 : 1);
});
