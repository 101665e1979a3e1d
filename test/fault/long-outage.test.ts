import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createEngine, type Engine } from "../../src/index.js";
import { startRedis } from "../../src/testing/index.js";
import { nothingEscapes, settled } from "../support/outcomes.js";
import { redisIsThere } from "../support/stores.js";
import { until } from "../support/until.js";

/*
 * Ten minutes without a server, a hundred times as fast: deadlines, waits and the circuit's rest are a hundredth of the
 * defaults, and the load goes on until as many deadlines have followed one another as ten minutes hold.
 */
const OPERATION_MS = 30;
const DEADLINES = (10 * 60_000) / 3000;
const MAX_PENDING = 1000;
const VALUE = "x".repeat(1000);
/** Above what is there after a tenth of the outage; values that were kept would come to many times as much. */
const MAX_GROWTH_BYTES = 6 * 1024 * 1024;

/** Errors are many here and read by nobody: their stacks would be most of the work. */
Error.stackTraceLimit = 0;
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function memoryInUse(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

interface Load {
  called: number;
  settled: number;
  mostPending: number;
}

/** Calls as much as the queue takes and more, until so many deadlines have passed one after the other. */
async function offer(engine: Engine, deadlines: number, load: Load): Promise<void> {
  for (let i = 0; i < deadlines; i++) {
    for (let call = 0; call < MAX_PENDING * 1.25; call++) {
      load.called++;
      void settled(engine.put(`key ${load.called % 5000}`, `${VALUE}${load.called}`)).then(() => load.settled++);
    }
    load.mostPending = Math.max(load.mostPending, engine.stats().pending + engine.stats().waiting);
    // Nothing is waited for but one deadline: calls go on being made while the earlier ones wait.
    await settled(engine.get("key"));
    await new Promise((resolve) => setTimeout(resolve, OPERATION_MS / 2));
  }
}

if (await redisIsThere("a long outage")) {
  for (const circuitBreaker of [false, { failures: 10, resetMs: 600 }] as const) {
    const circuit = circuitBreaker === false ? "no circuit" : "a circuit";
    test(`ten minutes' worth of full load on a server that is away, with ${circuit}, settle every call and keep no memory`, async (t) => {
      nothingEscapes(t);
      const server = await startRedis();
      t.after(() => server.stop());
      const engine = await createEngine({
        backend: server.url,
        timeouts: { connectMs: 1000, operationMs: OPERATION_MS },
        retry: { retries: 3, baseDelayMs: 1, maxDelayMs: 50 },
        queue: { maxPending: MAX_PENDING, overflow: "reject" },
        circuitBreaker,
      });
      t.after(() => engine.close());
      await server.kill();
      await until("the loss was noticed", () => engine.stats().activeConnections === 0);
      const load: Load = { called: 0, settled: 0, mostPending: 0 };
      await offer(engine, DEADLINES / 10, load);
      const before = await memoryInUse();
      await offer(engine, (DEADLINES * 9) / 10, load);
      await until("every call has settled", () => load.settled === load.called);
      const growth = (await memoryInUse()) - before;
      t.diagnostic(
        `${load.called} calls, ${load.mostPending} pending at most, ${growth} bytes more than after a tenth`,
      );
      assert.ok(load.mostPending <= MAX_PENDING, `${load.mostPending} were pending`);
      assert.ok(growth < MAX_GROWTH_BYTES, `memory grew by ${growth} bytes`);
      assert.equal(engine.stats().pending, 0);
      await server.restart();
      await until("calls are served again", async () => (await settled(engine.put("key", "after"))).ok);
    });
  }

  test("an open circuit has answered before anything else gets its turn, and says so of writes, reads and batches", async (t) => {
    nothingEscapes(t);
    const server = await startRedis();
    t.after(() => server.stop());
    const engine = await createEngine({
      backend: server.url,
      timeouts: { operationMs: OPERATION_MS },
      retry: { retries: 0 },
      circuitBreaker: { failures: 2, resetMs: 600_000 },
    });
    t.after(() => engine.close());
    await server.kill();
    await until("the circuit is open", async () => {
      await settled(engine.get("key"));
      return engine.stats().circuit === "open";
    });
    let isNextTurn = false;
    const turn = new Promise<void>((resolve) => {
      setImmediate(() => {
        isNextTurn = true;
        resolve();
      });
    });
    const calls = [
      engine.put("key", "value"),
      engine.get("key"),
      engine.increment("n"),
      engine.batchPut([["a", "1"]]),
      engine.transaction([{ type: "delete", key: "a" }]),
    ];
    const endings = await Promise.all(calls.map((call) => settled<unknown>(call)));
    assert.equal(isNextTurn, false, "the event loop had to turn first");
    for (const ending of endings) {
      assert.ok(!ending.ok);
      assert.deepEqual([ending.error.code, ending.error.outcome], ["CIRCUIT_OPEN", "not-applied"]);
    }
    await turn;
  });
}
