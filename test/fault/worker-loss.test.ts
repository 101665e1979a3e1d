import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createEngine } from "../../src/index.js";
import { createLedger, redisReadBack, startRedis } from "../../src/testing/index.js";
import { nothingEscapes } from "../support/outcomes.js";
import { redisIsThere } from "../support/stores.js";
import { until } from "../support/until.js";

const THREADS = 2;
const LOST_JOBS = 5;
const KEYS = 24;

if (await redisIsThere("threads that are lost")) {
  test("codec threads that are ended in the middle of their work cost an engine no operation and double none", async (t) => {
    nothingEscapes(t);
    const server = await startRedis();
    t.after(() => server.stop());
    const threads = new Set<Worker>();
    const { postMessage } = Worker.prototype;
    t.mock.method(Worker.prototype, "postMessage", function (this: Worker, ...given: Parameters<typeof postMessage>) {
      threads.add(this);
      return postMessage.apply(this, given);
    });
    const engine = await createEngine({
      backend: server.url,
      timeouts: { operationMs: 60_000 },
      workers: { threads: THREADS, offload: "always" },
    });
    t.after(() => engine.close());
    const readBack = redisReadBack(server.url);
    t.after(() => readBack.close());
    const ledger = createLedger(engine, { operationMs: 60_000 });
    t.after(() => ledger.stop());
    const workers = () => engine.stats().workers;
    let round = 0;
    await until("threads were lost at their work", async () => {
      round++;
      const calls: Promise<unknown>[] = [];
      for (let key = 0; key < KEYS; key++) {
        calls.push(ledger.put(`k${key}`, `${key} in round ${round} `.repeat(20_000)), ledger.get(`k${key}`));
        calls.push(ledger.increment(`n${key}`));
      }
      const settled = Promise.all(calls);
      let isOver = false;
      void settled.then(() => {
        isOver = true;
      });
      while (workers().jobs.underWay === 0 && !isOver) await new Promise((resolve) => setImmediate(resolve));
      const alive = [...threads].filter(({ threadId }) => threadId > 0);
      await Promise.all(alive.map((thread) => thread.terminate()));
      await settled;
      return workers().jobs.lost >= LOST_JOBS;
    });
    const { violations, acknowledged, calls } = await ledger.verify(readBack.read);
    assert.deepEqual(
      Object.entries(violations).filter(([, count]) => count > 0),
      [],
    );
    assert.equal(acknowledged, calls);
    await until("the pool has its size again", async () => {
      await engine.put("large", "x".repeat(100_000));
      return workers().threadsAlive === THREADS;
    });
  });
}
