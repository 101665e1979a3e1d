import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../../src/index.js";
import { startRedis } from "../../../src/testing/index.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { type StallingRelay, startStallingRelay } from "../../support/stalling-relay.js";
import { redisIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

interface Scene {
  readonly engine: Engine;
  /** Another program, at the primary itself. */
  readonly other: Redis;
  /** On the way of the engine to the primary, and to each replica. */
  readonly toPrimary: StallingRelay;
  readonly toReplicas: readonly StallingRelay[];
  /** Over them the replicas follow. */
  readonly links: readonly StallingRelay[];
  readonly replicas: readonly Redis[];
}

async function openScene(t: TestScope, replicaCount: number): Promise<Scene> {
  nothingEscapes(t);
  const client = (port: number): Redis => {
    const redis = new Redis(port, "127.0.0.1");
    // At the end its server goes first.
    redis.on("error", () => {});
    t.after(() => redis.disconnect());
    return redis;
  };
  const primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  t.after(() => primary.stop());
  const links: StallingRelay[] = [];
  const toReplicas: StallingRelay[] = [];
  const replicas: Redis[] = [];
  for (let i = 0; i < replicaCount; i++) {
    const link = await startStallingRelay(t, primary.port);
    const replica = await startRedis({ args: ["--replicaof", `127.0.0.1 ${link.port}`] });
    t.after(() => replica.stop());
    links.push(link);
    toReplicas.push(await startStallingRelay(t, replica.port));
    replicas.push(client(replica.port));
  }
  const toPrimary = await startStallingRelay(t, primary.port);
  const engine = await createEngine({
    backend: `redis://127.0.0.1:${toPrimary.port}`,
    replicas: toReplicas.map(({ port }) => `redis://127.0.0.1:${port}`),
    ...{ keyPrefix: "", replicaLagMs: 60_000, timeouts: { operationMs: 60_000 }, retry: { retries: 0 } },
  });
  t.after(() => engine.close());
  return { engine, other: client(primary.port), toPrimary, toReplicas, links, replicas };
}

async function readsServed(replica: Redis): Promise<number> {
  return Number(/cmdstat_mget:calls=(\d+)/.exec(await replica.info("commandstats"))?.[1] ?? 0);
}

/** Each of them in its turn. */
async function allAreRead({ engine, replicas }: Scene, key: string): Promise<void> {
  await until("all replicas are read", async () => {
    const before = await Promise.all(replicas.map(readsServed));
    for (const _ of replicas) await engine.get(key);
    const after = await Promise.all(replicas.map(readsServed));
    return after.every((reads, i) => reads > before[i]!);
  });
}

async function replicasHave({ replicas }: Scene, key: string, value: string): Promise<void> {
  for (const replica of replicas) await until("it has the value", async () => (await replica.get(key)) === value);
}

const text = (read: Promise<Buffer | null>): Promise<string | undefined> => read.then((value) => value?.toString());

if (await redisIsThere("the order of reads from replicas")) {
  test("the second of two reads does not see what was before the first, though the first goes to a slower replica", async (t) => {
    const scene = await openScene(t, 2);
    const { engine, other, toReplicas } = scene;
    await other.set("a", "old");
    await replicasHave(scene, "a", "old");
    await allAreRead(scene, "a");
    // They take turns, so that the first read goes to the slower one in one of two rounds.
    for (const slower of toReplicas) {
      slower.stall("questions");
      const first = text(engine.get("a"));
      await delay(20);
      const second = text(engine.get("a"));
      await delay(100);
      await other.set("a", "new");
      await replicasHave(scene, "a", "new");
      slower.resume();
      const seen = `${await first}, ${await second}`;
      assert.ok(["old, old", "old, new", "new, new"].includes(seen), seen);
      await other.set("a", "old");
      await replicasHave(scene, "a", "old");
    }
  });

  test("a read that goes to a replica does not overtake one that the primary is asked for", async (t) => {
    const scene = await openScene(t, 1);
    const { engine, other, toPrimary, links, replicas } = scene;
    await allAreRead(scene, "a");
    const before = await readsServed(replicas[0]!);
    links[0]!.stall();
    await engine.put("a", "old");
    // The primary is asked where it is.
    await delay(300);
    toPrimary.stall("questions");
    const first = text(engine.get("a"));
    await delay(20);
    links[0]!.resume();
    await replicasHave(scene, "a", String(await other.get("a")));
    // The replica is asked where it is.
    await delay(200);
    const second = text(engine.get("a"));
    await delay(50);
    await other.set("a", "new");
    toPrimary.resume();
    const seen = `${await first}, ${await second}`;
    assert.ok(["old, old", "old, new", "new, new"].includes(seen), seen);
    assert.equal(await readsServed(replicas[0]!), before, "the second went behind the first");
  });

  for (const [name, ask] of [
    ["contains", (engine: Engine) => engine.contains("a")],
    ["ttl", async (engine: Engine) => (await engine.ttl("a")) !== null],
  ] as const) {
    test(`${name}, which the primary answers, does not overtake a read that is with a replica`, async (t) => {
      const scene = await openScene(t, 1);
      const { engine, other, toReplicas, replicas } = scene;
      await other.set("a", "old");
      await replicasHave(scene, "a", "old");
      await allAreRead(scene, "a");
      toReplicas[0]!.stall("questions");
      const first = text(engine.get("a"));
      await delay(20);
      const second = ask(engine);
      await delay(50);
      await other.del("a");
      await until("the replica knows", async () => (await replicas[0]!.exists("a")) === 0);
      toReplicas[0]!.resume();
      const seen = `${await first}, ${await second}`;
      assert.ok(["old, true", "old, false", "undefined, false"].includes(seen), seen);
    });

    for (const isTogether of [true, false]) {
      const when = isTogether ? "in the same turn" : "later";
      test(`a read of a replica that is called ${when} does not overtake ${name}, which the primary answers`, async (t) => {
        const scene = await openScene(t, 1);
        const { engine, other, toPrimary, replicas } = scene;
        await other.set("a", "old");
        await replicasHave(scene, "a", "old");
        await allAreRead(scene, "a");
        const before = await readsServed(replicas[0]!);
        toPrimary.stall("questions");
        const first = ask(engine);
        if (!isTogether) await delay(20);
        const second = text(engine.get("a"));
        await delay(100);
        await other.del("a");
        toPrimary.resume();
        const seen = `${await first}, ${await second}`;
        assert.ok(["true, old", "true, undefined", "false, undefined"].includes(seen), seen);
        assert.equal(await readsServed(replicas[0]!), before, "it was asked of the primary alone");
      });
    }
  }
}
