import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../../src/index.js";
import { type FaultProxy, startFaultProxy, startRedis } from "../../../src/testing/index.js";
import { eventually, failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { redisIsThere, type StoreOptions, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

/** Longer than the engine waits for an answer, so that what is held back comes after what is sent next. */
const HELD_BACK_MS = 1500;

interface Scene {
  readonly proxy: FaultProxy;
  readonly admin: Redis;
  readonly engine: Engine;
}

async function openScene(t: TestScope, options: StoreOptions = {}): Promise<Scene> {
  nothingEscapes(t);
  const server = await startRedis();
  t.after(() => server.stop());
  const proxy = await startFaultProxy(server.port);
  t.after(() => proxy.close());
  const admin = new Redis(server.url);
  t.after(() => admin.disconnect());
  const engine = await createEngine({
    timeouts: { operationMs: 400 },
    retry: { retries: 0, baseDelayMs: 5, maxDelayMs: 20 },
    circuitBreaker: false,
    ...options,
    backend: `redis://127.0.0.1:${proxy.port}`,
  });
  t.after(() => engine.close());
  return { proxy, admin, engine };
}

async function clients(admin: Redis): Promise<Set<string>> {
  const list = String(await admin.client("LIST"));
  return new Set([...list.matchAll(/^id=(\d+) /gm)].map(([, id]) => id!));
}

async function calls(admin: Redis, command: string): Promise<number> {
  const found = new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await admin.info("commandstats"));
  return Number(found?.[1] ?? 0);
}

/** Whatever was still on its way over these connections has come, or never will. */
async function awaitEnd(admin: Redis, connections: ReadonlySet<string>): Promise<void> {
  const own = String(await admin.client("ID"));
  await until("the old connections have ended at the server", async () => {
    const open = await clients(admin);
    return [...connections].every((id) => id === own || !open.has(id));
  });
}

if (await redisIsThere("bytes that come late")) {
  for (const maxValueBytes of [256, 1024 * 1024]) {
    test(`a put that the network held back does not land on a later one, with maxValueBytes ${maxValueBytes}`, async (t) => {
      const { proxy, admin, engine } = await openScene(t, { maxValueBytes });
      await eventually(() => engine.put("a", "first"));
      const before = await clients(admin);
      await proxy.set({ toServer: { delayMs: HELD_BACK_MS } });
      assert.equal((await failureOf(engine.put("a", "held back"))).outcome, "unknown");
      await proxy.clear();
      await until("a later write is acknowledged", async () => (await settled(engine.put("a", "later"))).ok);
      await awaitEnd(admin, before);
      assert.equal(String(await eventually(() => engine.get("a"))), "later");
    });
  }

  test("a clear that the network held back deletes nothing that is put later", async (t) => {
    const { proxy, admin, engine } = await openScene(t, { timeouts: { operationMs: 1000 } });
    await eventually(() => engine.put("a", "first"));
    await eventually(() => engine.count());
    const before = await clients(admin);
    const scans = await calls(admin, "scan");
    // The clear has seen the key, and has not been told so, when what it then sends is held back.
    await proxy.set({ toClient: { delayMs: 600 } });
    const cleared = failureOf(engine.clear());
    await until("the clear scans", async () => (await calls(admin, "scan")) > scans);
    await proxy.set({ toServer: { delayMs: 2 * HELD_BACK_MS } });
    assert.equal((await cleared).outcome, "unknown");
    await proxy.clear();
    await until("a later write is acknowledged", async () => (await settled(engine.put("a", "later"))).ok);
    await awaitEnd(admin, before);
    assert.equal(String(await eventually(() => engine.get("a"))), "later");
    assert.equal(await engine.count(), 1);
  });
}
