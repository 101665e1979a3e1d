import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Redis } from "ioredis";
import type { Engine } from "../../src/index.js";
import { killOne } from "../support/connections.js";
import { onRedis, type StoreOptions } from "../support/stores.js";
import { program, runProgram } from "./programs.js";

const SEED = 20_261_123;
const RUNS = 200;

/** Pools that stay as they are, that grow, and that shrink again between two programs. */
const SHAPES: readonly StoreOptions[] = [
  { pool: { min: 4, max: 4 } },
  { pool: { min: 2, max: 2 }, batching: { maxSize: 1, maxInFlight: 8 } },
  { pool: { min: 3, max: 3 }, batching: { maxSize: 3, maxInFlight: 4 }, cache: { maxBytes: 65_536, ttlMs: 3_600_000 } },
  { pool: { min: 1, max: 4, idleMs: 1 }, batching: { maxSize: 2, maxInFlight: 8 } },
  { pool: { min: 0, max: 3, idleMs: 1 }, batching: { maxSize: 4, maxInFlight: 4 } },
];

const LIMITS = { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 480_000, markInterruptAsFailure: true };

await onRedis("calls over several connections", (store, server) => {
  test("calls over several connections that are not awaited answer as if made one after the other", async (t) => {
    const engines: Engine[] = [];
    for (const options of SHAPES) engines.push(await (await store.place(t)).open(options));
    let programs = 0;
    const property = fc.asyncProperty(fc.nat(SHAPES.length - 1), program, async (shape, lines) => {
      const engine = engines[shape]!;
      await runProgram(engine.namespace(`program ${++programs}:`), lines);
      assert.equal(engine.stats().pending, 0);
    });
    await fc.assert(property, LIMITS);
  });

  test("connections that are lost meanwhile leave no answer that the reported outcomes do not explain", async (t) => {
    const admin = new Redis(server.url);
    t.after(() => admin.disconnect());
    const engines: Engine[] = [];
    const options: StoreOptions = { retry: { baseDelayMs: 0, maxDelayMs: 1 }, circuitBreaker: false };
    for (const shape of SHAPES) engines.push(await (await store.place(t)).open({ ...shape, ...options }));
    let programs = 0;
    let killed = 0;
    const property = fc.asyncProperty(
      fc.nat(SHAPES.length - 1),
      fc.array(fc.nat(30), { minLength: 1, maxLength: 4 }),
      program,
      async (shape, turns, lines) => {
        const engine = engines[shape]!;
        let isOver = false;
        const kills = (async () => {
          for (const wait of turns) {
            for (let turn = 0; turn < wait && !isOver; turn++) await new Promise((resolve) => setImmediate(resolve));
            killed += await killOne(admin, wait);
          }
        })();
        await runProgram(engine.namespace(`program ${++programs}:`), lines);
        isOver = true;
        await kills;
        assert.equal(engine.stats().pending, 0);
      },
    );
    await fc.assert(property, LIMITS);
    assert.ok(killed > RUNS, `only ${killed} connections were lost`);
  });
});
