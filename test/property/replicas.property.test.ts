import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../src/index.js";
import { startRedis } from "../../src/testing/index.js";
import { killOne } from "../support/connections.js";
import { startStallingRelay } from "../support/stalling-relay.js";
import { redisIsThere, type StoreOptions, type TestScope } from "../support/stores.js";
import { until } from "../support/until.js";
import { program, runProgram } from "./programs.js";

const SEED = 20_261_123;
const RUNS = 400;
const LIMITS = { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 480_000, markInterruptAsFailure: true };

const SHAPES: readonly StoreOptions[] = [
  {},
  { batching: { maxSize: 1, maxInFlight: 8 } },
  { pool: { min: 3, max: 3 }, batching: { maxSize: 3, maxInFlight: 4 } },
  { pool: { min: 2, max: 2 }, batching: { maxSize: 2, maxInFlight: 8 }, cache: { maxBytes: 65_536, ttlMs: 3_600_000 } },
];

interface Scene {
  readonly engines: readonly Engine[];
  readonly primary: Redis;
  readonly replicas: readonly Redis[];
  /** Over it the second replica follows. */
  readonly link: { stall(): void; resume(): void };
}

async function openScene(t: TestScope, options: StoreOptions): Promise<Scene> {
  const client = (port: number): Redis => {
    const redis = new Redis(port, "127.0.0.1");
    t.after(() => redis.disconnect());
    return redis;
  };
  const server = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  t.after(() => server.stop());
  const link = await startStallingRelay(t, server.port);
  const followers = [];
  for (const port of [server.port, link.port]) {
    const replica = await startRedis({ args: ["--replicaof", `127.0.0.1 ${port}`] });
    t.after(() => replica.stop());
    followers.push(replica);
  }
  const replicas = followers.map(({ port }) => client(port));
  for (const replica of replicas) {
    await until("the replica has the data", async () => (await replica.info("replication")).includes("link_status:up"));
  }
  const engines: Engine[] = [];
  for (const shape of SHAPES) {
    const engine = await createEngine({
      ...{ timeouts: { connectMs: 30_000, operationMs: 30_000 }, ...shape, ...options },
      ...{ backend: server.url, replicas: followers.map(({ url }) => url), replicaLagMs: 60_000 },
    });
    t.after(() => engine.close());
    engines.push(engine);
  }
  return { engines, primary: client(server.port), replicas, link };
}

async function readsServed(replicas: readonly Redis[]): Promise<number> {
  const counts = replicas.map(async (replica) => {
    const [, calls] = /cmdstat_mget:calls=(\d+)/.exec(await replica.info("commandstats")) ?? [];
    return Number(calls ?? 0);
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

/** A call on many keys, such as a `clear`, has them all read from the primary for a while. */
async function replicasAreRead(engine: Engine, { replicas, link }: Scene): Promise<void> {
  link.resume();
  await until("replicas are read", async () => {
    const before = await readsServed(replicas);
    await engine.get("some key");
    return (await readsServed(replicas)) > before;
  });
}

if (await redisIsThere("calls with replicas")) {
  test("calls of which reads go to replicas answer as if made one after the other", async (t) => {
    const scene = await openScene(t, {});
    const { engines, replicas, link } = scene;
    let programs = 0;
    const property = fc.asyncProperty(
      fc.nat(SHAPES.length - 1),
      fc.boolean(),
      program,
      async (shape, stalls, lines) => {
        const engine = engines[shape]!;
        await replicasAreRead(engine, scene);
        if (stalls) link.stall();
        await runProgram(engine.namespace(`program ${++programs}:`), lines);
        assert.equal(engine.stats().pending, 0);
      },
    );
    await fc.assert(property, LIMITS);
    assert.ok((await readsServed(replicas)) > 1.5 * RUNS, "the replicas were hardly read");
  });

  test("connections to primary and replicas that are lost leave no answer that the reported outcomes do not explain", async (t) => {
    const scene = await openScene(t, { retry: { baseDelayMs: 0, maxDelayMs: 1 }, circuitBreaker: false });
    const { engines, primary, replicas, link } = scene;
    let programs = 0;
    let killed = 0;
    const kills = fc.array(fc.tuple(fc.nat(30), fc.nat(2)), { minLength: 1, maxLength: 4 });
    const property = fc.asyncProperty(fc.nat(SHAPES.length - 1), kills, program, async (shape, turns, lines) => {
      const engine = engines[shape]!;
      await replicasAreRead(engine, scene);
      let isOver = false;
      const losses = (async () => {
        for (const [wait, server] of turns) {
          for (let turn = 0; turn < wait && !isOver; turn++) await new Promise((resolve) => setImmediate(resolve));
          if (wait % 3 === 0) link.stall();
          else link.resume();
          killed += await killOne([primary, ...replicas][server]!, wait);
        }
      })();
      await runProgram(engine.namespace(`program ${++programs}:`), lines);
      isOver = true;
      await losses;
      assert.equal(engine.stats().pending, 0);
    });
    await fc.assert(property, LIMITS);
    assert.ok(killed > RUNS, `only ${killed} connections were lost`);
    assert.ok((await readsServed(replicas)) > 1.5 * RUNS, "the replicas were hardly read");
  });
}
