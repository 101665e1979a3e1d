import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { createEngine, type Engine, type EngineOptions } from "../../../src/index.js";
import { type RedisServer, startRedis } from "../../../src/testing/index.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { bulk, RespServer } from "../../support/resp-server.js";
import { redisIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

/** What a replica says of itself, and of which any may be otherwise. */
interface Script {
  role: string;
  link: string;
  history: string | undefined;
  offset: string;
  aheadMs: number;
  /** Instead of a reply to INFO. */
  nonsense?: string;
}

interface Scene {
  readonly engine: Engine;
  readonly primary: Redis;
  readonly server: RedisServer;
  /** Has everything that the primary ever had, if one believes it, and other values. */
  readonly replica: RespServer;
  readonly script: Script;
  reads(): number;
}

async function openScene(t: TestScope, options: Omit<EngineOptions, "backend"> = {}): Promise<Scene> {
  nothingEscapes(t);
  const server = await startRedis({
    args: ["--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes"],
  });
  t.after(() => server.stop());
  const primary = new Redis(server.port, "127.0.0.1");
  t.after(() => primary.disconnect());
  const replica = await RespServer.start();
  t.after(() => replica.close());
  const script: Script = { role: "slave", link: "up", history: undefined, offset: "999999999", aheadMs: 0 };
  const history = /master_replid:(\w+)/.exec(await primary.info("replication"))![1]!;
  replica.intercept = ([name, section]) => {
    if (name === "INFO" && section === "replication") {
      const facts = [
        `role:${script.role}`,
        `master_link_status:${script.link}`,
        `master_replid:${script.history ?? history}`,
        `${script.role === "slave" ? "slave" : "master"}_repl_offset:${script.offset}`,
      ];
      return script.nonsense ?? bulk(["# Replication", ...facts, ""].join("\r\n"));
    }
    if (name !== "TIME") return undefined;
    const us = Math.round((Date.now() + script.aheadMs) * 1000);
    return `*2\r\n${bulk(String(Math.floor(us / 1e6)))}${bulk(String(us % 1e6))}`;
  };
  const engine = await createEngine({ replicas: [replica.url], ...options, backend: server.url });
  t.after(() => engine.close());
  const reads = (): number => replica.names.filter((name) => name === "MGET").length;
  return { engine, primary, server, replica, script, reads };
}

/** Of an absent value in RESP3. */
const NIL_BYTES = 3;

async function isRead({ engine, reads }: Scene): Promise<boolean> {
  const before = reads();
  await engine.get("some key");
  return reads() > before;
}

/** After the questions that were under way have been answered, and more of them. */
async function isNotRead(scene: Scene): Promise<void> {
  await until("it is not read", async () => !(await isRead(scene)));
  for (let i = 0; i < 10; i++) {
    assert.equal(await isRead(scene), false);
    await delay(20);
  }
}

if (await redisIsThere("what a replica says of itself")) {
  const oddities: readonly [string, Partial<Script>][] = [
    ["that is a primary itself", { role: "master" }],
    ["without a link to its primary", { link: "down" }],
    ["that names another history", { history: "0123456789abcdef0123456789abcdef01234567" }],
    ["that does not say where it is", { offset: "" }],
    ["whose clock is ahead", { aheadMs: 60 }],
    ["whose clock is behind", { aheadMs: -60 }],
    ["that is refused INFO", { nonsense: "-NOPERM this user has no permissions\r\n" }],
    ["that answers INFO with something else", { nonsense: "+OK\r\n" }],
  ];
  for (const [what, oddity] of oddities) {
    test(`a server ${what} is not read, and is when that has changed`, async (t) => {
      // One that says nothing of itself is as far as it said last, for as long as it may be behind.
      const isSilent = oddity.offset !== undefined || oddity.nonsense !== undefined;
      const scene = await openScene(t, { replicaLagMs: isSilent ? 500 : 60_000 });
      await until("it is read", () => isRead(scene));
      const ordinary = { ...scene.script, nonsense: undefined };
      Object.assign(scene.script, oddity);
      await isNotRead(scene);
      Object.assign(scene.script, ordinary);
      delete (scene.script as { nonsense?: string }).nonsense;
      await until("it is read again", () => isRead(scene));
    });
  }

  test("a primary that gives another section of INFO keeps its connections, and no replica is read", async (t) => {
    nothingEscapes(t);
    const primary = await RespServer.start();
    t.after(() => primary.close());
    let questions = 0;
    primary.intercept = ([name]) => {
      if (name !== "TIME") return undefined;
      questions++;
      return `*2\r\n${bulk("1700000000")}${bulk("1")}`;
    };
    const engine = await createEngine({ backend: primary.url, replicas: ["redis://127.0.0.1:1"] });
    t.after(() => engine.close());
    const { connections } = primary;
    await until("it was asked", () => questions >= 3);
    await engine.put("a", "one");
    assert.equal(String(await engine.get("a")), "one");
    assert.equal(primary.connections, connections);
  });

  test("an answer that comes after a write has taken its read along does not count", async (t) => {
    const scene = await openScene(t);
    const { engine, primary, replica } = scene;
    await until("it is read", () => isRead(scene));
    const writer = await createEngine(`redis://127.0.0.1:${primary.options.port}`);
    t.after(() => writer.close());
    await writer.put("a", "before");
    const held: Buffer[] = [];
    let isHolding = true;
    replica.deliver = (reply, socket) => {
      held.push(reply);
      if (isHolding) return;
      socket.write(Buffer.concat(held.splice(0)));
    };
    const other = (await primary.getBuffer("state:a"))!;
    replica.data.set("state:a", other.toString("latin1").replace("before", "behind"));
    replica.data.set("state:b", "of the replica");
    const calls = [engine.get("a"), engine.get("b"), engine.get("absent")];
    await until("they have arrived there", () => replica.commands.at(-1)!.includes("state:absent"));
    await engine.put("a", "after");
    assert.equal(String(await calls[0]), "before", "as the primary had it in front of the put");
    isHolding = false;
    await until("it is read", () => isRead(scene));
    assert.deepEqual((await Promise.all(calls)).map(String), ["before", "of the replica", "null"]);
    assert.equal(String(await engine.get("a")), "after");
    await engine.flush();
    assert.equal(engine.stats().pending, 0);
    assert.equal(engine.stats().inFlightBatches, 0);
  });

  test("an answer does not count either that comes between the write and what the primary had before it", async (t) => {
    const scene = await openScene(t, { timeouts: { operationMs: 30_000 } });
    const { engine, primary, server, replica } = scene;
    await until("it is read", () => isRead(scene));
    await primary.set("state:a", "before");
    const held: (() => void)[] = [];
    replica.deliver = (reply, socket) => held.push(() => socket.write(reply));
    replica.data.set("state:a", "after, as it was told already");
    const read = engine.get("a");
    await until("it has arrived there", () => replica.commands.at(-1)!.includes("state:a"));
    server.pause();
    try {
      const put = engine.put("a", "after");
      // The put has left, and nothing of the primary's answer can have come.
      await delay(20);
      replica.deliver = (reply, socket) => socket.write(reply);
      for (const deliver of held) deliver();
      await until("another one is answered there", () => isRead(scene));
      server.resume();
      assert.equal(String(await read), "before");
      await put;
    } finally {
      server.resume();
    }
    assert.equal(engine.stats().inFlightBatches, 0);
  });

  test("a replica that is never silent and late all the same is not waited for", async (t) => {
    const scene = await openScene(t, {
      ...{ replicaLagMs: 300, timeouts: { operationMs: 10_000 }, retry: { retries: 0 } },
    });
    const { engine, primary, replica } = scene;
    await until("it is read", () => isRead(scene));
    await primary.set("state:a", "of the primary");
    replica.data.set("state:a", "of the replica".repeat(20));
    const { deliver } = replica;
    let before: Promise<unknown> = Promise.resolve();
    replica.deliver = (reply, socket) => {
      before = before.then(async () => {
        for (const byte of reply) {
          if (socket.destroyed) return;
          socket.write(Buffer.of(byte));
          await delay(40);
        }
      });
    };
    const calls = [engine.get("a"), engine.get("b")];
    await delay(50);
    calls.push(engine.get("a"));
    assert.deepEqual((await Promise.all(calls)).map(String), ["of the primary", "null", "of the primary"]);
    await engine.flush();
    assert.deepEqual([engine.stats().pending, engine.stats().inFlightBatches], [0, 0]);
    replica.deliver = deliver;
    await until("it is read again", () => isRead(scene));
  });

  test("a read that a write has taken along is not asked once more when its replica is lost", async (t) => {
    const scene = await openScene(t);
    const { engine, primary, replica } = scene;
    await until("it is read", () => isRead(scene));
    await primary.set("state:a", "before");
    const deliver = replica.deliver;
    replica.deliver = () => {};
    const read = engine.get("a");
    await until("it has arrived there", () => replica.commands.at(-1)!.includes("state:a"));
    await engine.put("a", "after");
    assert.equal(String(await read), "before");
    const readsOfPrimary = async (): Promise<string | undefined> =>
      /cmdstat_mget:calls=\d+/.exec(await primary.info("commandstats"))?.[0];
    const before = await readsOfPrimary();
    replica.deliver = deliver;
    const { connections } = replica;
    replica.dropAll();
    await until("it is connected again", () => replica.connections > connections);
    assert.equal(await readsOfPrimary(), before);
    assert.deepEqual([engine.stats().pending, engine.stats().inFlightBatches], [0, 0]);
  });

  /** Keeps back the end of a reply that says of the last key that it is absent; the result sends it. */
  function keepingLastAnswer({ replica }: Scene): () => void {
    const rest: (() => void)[] = [];
    const { deliver } = replica;
    replica.deliver = (reply, socket) => {
      const isFirst = rest.length === 0 && reply.subarray(0, 2).toString() === "*2";
      if (isFirst) socket.write(reply.subarray(0, -NIL_BYTES));
      rest.push(() => socket.write(isFirst ? reply.subarray(-NIL_BYTES) : reply));
    };
    return () => {
      replica.deliver = deliver;
      for (const send of rest.splice(0)) send();
    };
  }

  test("a read that a replica has answered already is not taken along, though others of its command are not", async (t) => {
    const scene = await openScene(t);
    const { engine, primary, replica } = scene;
    await until("it is read", () => isRead(scene));
    replica.data.set("state:a", "of the replica");
    const sendRest = keepingLastAnswer(scene);
    const calls = [engine.get("a"), engine.get("b")];
    assert.equal(String(await calls[0]), "of the replica");
    const reads = async (): Promise<string | undefined> =>
      /cmdstat_mget:calls=\d+/.exec(await primary.info("commandstats"))?.[0];
    const before = await reads();
    await engine.put("a", "after");
    assert.equal(await reads(), before);
    sendRest();
    assert.equal(await calls[1], null);
  });

  test("a long value of a replica that waits to be decompressed does not count once a write has taken its read along", async (t) => {
    const scene = await openScene(t, {
      ...{ timeouts: { operationMs: 30_000 }, workers: { threads: 1, offload: "always" } },
    });
    const { engine, primary, server, replica } = scene;
    const writer = await createEngine(server.url);
    t.after(() => writer.close());
    await writer.put("a", "later ".repeat(20_000));
    replica.data.set("state:a", (await primary.getBuffer("state:a"))!.toString("latin1"));
    await writer.put("a", "before ".repeat(20_000));
    await until("it is read", () => isRead(scene));
    const sendRest = keepingLastAnswer(scene);
    const calls = [engine.get("a"), engine.get("b")];
    await until("they have arrived there", () => replica.commands.some((command) => command.includes("state:b")));
    await delay(20);
    server.pause();
    let put: Promise<void>;
    try {
      put = engine.put("a", "after");
      await delay(20);
      sendRest();
      await delay(50);
    } finally {
      server.resume();
    }
    assert.equal(String(await calls[0]).slice(0, 6), "before");
    assert.equal(await calls[1], null);
    await put;
  });

  test("with another history of the primary all counts as just written, whatever replicas had before", async (t) => {
    const scene = await openScene(t, { replicaLagMs: 60_000 });
    const { engine, primary, server, script } = scene;
    // Without any follower a server counts no offsets.
    const follower = await startRedis({ args: ["--replicaof", `127.0.0.1 ${server.port}`] });
    t.after(() => follower.stop());
    await until("there is one", async () => (await primary.info("replication")).includes("state=online"));
    const nameHistory = async (): Promise<void> => {
      script.history = /master_replid:(\w+)/.exec(await primary.info("replication"))![1]!;
    };
    await nameHistory();
    await engine.put("a", "new");
    await until("the replica is asked for it, which lacks it", async () => (await engine.get("a")) === null);

    await primary.call("DEBUG", "CHANGE-REPL-ID");
    await nameHistory();
    script.offset = "1";
    await until("the primary is asked for it", async () => (await engine.get("a")) !== null);
    for (let i = 0; i < 30; i++) {
      assert.equal(String(await engine.get("a")), "new");
      await delay(10);
    }
  });

  for (const [where, offload] of [
    ["here", "never"],
    ["by a worker", "always"],
  ] as const) {
    test(`values that a replica sends damaged are asked of the primary, decompressed ${where}`, async (t) => {
      const scene = await openScene(t, { workers: { threads: 1, offload } });
      const { engine, primary, replica } = scene;
      const reads: [key: string, value: string][] = [
        ["a", "one"],
        ["b", "two"],
        ["c", "long ".repeat(20_000)],
        ["d", "longer ".repeat(20_000)],
      ];
      const writer = await createEngine(`redis://127.0.0.1:${primary.options.port}`);
      t.after(() => writer.close());
      await writer.batchPut(reads);
      const unsealed = await createEngine({
        backend: `redis://127.0.0.1:${primary.options.port}`,
        checksum: "none",
      });
      t.after(() => unsealed.close());
      await unsealed.put("d", "longer ".repeat(20_000));
      await until("it is read", () => isRead(scene));
      for (const [key] of reads) {
        const stored = (await primary.getBuffer(`state:${key}`))!;
        if (key === "a" || key === "c") stored[stored.length - 1]! ^= 1;
        replica.data.set(`state:${key}`, stored.toString("latin1"));
      }
      // The value that has no checksum is the replica's alone.
      await primary.del("state:d");
      const keys = reads.map(([key]) => key);
      assert.deepEqual(
        (await engine.batchGet(keys)).map(String),
        reads.map(([, value]) => value),
      );
      assert.equal(engine.stats().operationsFailed, 0);
    });
  }

  test("a read behind one whose value a replica sent damaged is asked of the primary behind that", async (t) => {
    const scene = await openScene(t);
    const { engine, primary, replica } = scene;
    const writer = await createEngine(`redis://127.0.0.1:${primary.options.port}`);
    t.after(() => writer.close());
    await writer.put("a", "behind");
    const behind = (await primary.getBuffer("state:a"))!;
    await writer.put("a", "of the primary");
    await until("it is read", () => isRead(scene));
    const damaged = Buffer.from(behind);
    damaged[damaged.length - 1]! ^= 1;
    replica.data.set("state:a", damaged.toString("latin1"));
    const held: (() => void)[] = [];
    const { deliver } = replica;
    replica.deliver = (reply, socket) => held.push(() => socket.write(reply));
    const asked = (): number => replica.commands.filter((command) => command.includes("state:a")).length;
    const first = engine.get("a");
    await until("it has arrived there", () => asked() === 1);
    replica.data.set("state:a", behind.toString("latin1"));
    const second = engine.get("a");
    await until("it has arrived there too", () => asked() === 2);
    replica.deliver = deliver;
    for (const send of held) send();
    assert.deepEqual((await Promise.all([first, second])).map(String), ["of the primary", "of the primary"]);
    assert.equal(engine.stats().operationsFailed, 0);
  });

  test("options that name replicas of another kind or database are refused", async () => {
    const refused = async (backend: string, replicas: string[], message: RegExp): Promise<void> => {
      await assert.rejects(createEngine({ backend, replicas }), { code: "CONFIG", message });
    };
    await refused("redis://localhost", ["postgres://localhost/a"], /replicas are postgres:\/\/ URLs beside/);
    await refused("redis://localhost/2", ["redis://localhost:7000"], /same database/);
    await refused("memory:", ["redis://localhost"], /replicas are/);
  });
}
