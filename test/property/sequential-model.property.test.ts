import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import { type Fate, FaultyDriver } from "../support/faulty-driver.js";
import { onEveryStore, type Store, type StoreOptions } from "../support/stores.js";
import { program, runProgram } from "./programs.js";

const SEED = 20_261_121;

/** Windows of every awkward shape. */
const SHAPES: readonly StoreOptions[] = [
  {},
  { batching: { maxSize: 1, maxInFlight: 1 } },
  { batching: { maxSize: 1, maxInFlight: 4 } },
  { batching: { maxSize: 2, maxInFlight: 2 } },
  { batching: { maxSize: 3, maxInFlight: 4 }, compression: { codec: "none" } },
  { batching: { maxSize: 4, maxInFlight: 1, lingerMs: 1 } },
  { batching: { maxSize: 8, maxBytes: 1024, maxInFlight: 3 }, checksum: "none" },
  { batching: { maxBytes: 1024, maxInFlight: 2, lingerMs: 1 }, compression: { thresholdBytes: 0 } },
];

/** A seeded stream of numbers in [0, 1) (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function testStore(store: Store, runs: number): void {
  test(`${store.name}: calls that are not awaited answer as if made one after the other`, async (t) => {
    const engines: Engine[] = [];
    for (const options of SHAPES) engines.push(await (await store.place(t)).open(options));
    let programs = 0;
    const property = fc.asyncProperty(fc.nat(SHAPES.length - 1), program, async (shape, lines) => {
      const engine = engines[shape]!;
      await runProgram(engine.namespace(`program ${++programs}:`), lines);
      assert.equal(engine.stats().pending, 0);
    });
    await fc.assert(property, {
      seed: SEED,
      numRuns: runs,
      interruptAfterTimeLimit: 480_000,
      markInterruptAsFailure: true,
    });
  });

  test(`${store.name}: failed and late requests leave no answer that the reported outcomes do not explain`, async (t) => {
    const subjects: { engine: Engine; driver: FaultyDriver }[] = [];
    for (const options of SHAPES) {
      const place = await store.place(t);
      const driver = new FaultyDriver(await place.driver());
      const engine = await createEngine({
        ...options,
        retry: { baseDelayMs: 0, maxDelayMs: 1 },
        circuitBreaker: false,
        keyPrefix: place.keyPrefix,
        backend: driver,
      } as EngineOptions);
      t.after(() => engine.close());
      subjects.push({ engine, driver });
    }
    let programs = 0;
    const property = fc.asyncProperty(fc.nat(SHAPES.length - 1), fc.integer(), program, async (shape, seed, lines) => {
      const { engine, driver } = subjects[shape]!;
      const random = randomFrom(seed);
      const fate = (): Fate => {
        const drawn = random();
        return drawn < 0.15 ? "refused" : drawn < 0.3 ? "lost" : "done";
      };
      driver.plan = { fate, turnsLate: () => Math.floor(random() * 4) };
      await runProgram(engine.namespace(`program ${++programs}:`), lines);
      assert.equal(engine.stats().pending, 0);
    });
    await fc.assert(property, {
      seed: SEED,
      numRuns: runs,
      interruptAfterTimeLimit: 480_000,
      markInterruptAsFailure: true,
    });
  });
}

await onEveryStore("sequential model", (store) => testStore(store, store.name === "memory" ? 600 : 250));
