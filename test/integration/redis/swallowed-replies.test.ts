import assert from "node:assert/strict";
import { test } from "node:test";
import type { Engine } from "../../../src/index.js";
import { type Settled, settled } from "../../support/outcomes.js";
import { bulk, type RespServer } from "../../support/resp-server.js";
import type { StoreOptions, TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";
import { openScene } from "../../support/wire-scene.js";

const ALL_RETRIES = { retry: { retries: 3, baseDelayMs: 1, maxDelayMs: 5 } };

async function sceneWith(t: TestScope, entries: Record<string, string>, options: StoreOptions = ALL_RETRIES) {
  const scene = await openScene(t, {}, options);
  await scene.engine.batchPut(Object.entries(entries));
  return scene;
}

/** The answer to the first command of this name is damaged on its way. */
function damageOnce(server: RespServer, name: string, damage: (honest: string) => string): void {
  const { deliver } = server;
  let isNext = false;
  server.intercept = (command) => {
    isNext ||= command[0] === name;
    return undefined;
  };
  server.deliver = (reply, socket) => {
    if (!isNext) return deliver(reply, socket);
    server.intercept = () => undefined;
    server.deliver = deliver;
    deliver(Buffer.from(damage(reply.toString("latin1")), "latin1"), socket);
  };
}

/** The first value's length reaches to where the line numbered `swallowed` behind it ends. */
function longer(honest: string, swallowed: number): string {
  const [length] = /(?<=\$)\d+/.exec(honest)!;
  const from = honest.indexOf(length) + length.length + 2;
  let until = from + Number(length);
  for (let i = 0; i < swallowed; i++) until = honest.indexOf("\r\n", until + 2);
  return honest.replace(length, String(until - from));
}

function told(endings: readonly Settled<unknown>[]): unknown[] {
  return endings.map((ending) => {
    if (!ending.ok) return ending.error.code;
    return Buffer.isBuffer(ending.value) ? String(ending.value) : ending.value;
  });
}

function all(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(calls.map((call) => settled(call))).then(told);
}

const gets = (engine: Engine, keys: readonly string[]): Promise<unknown[]> => all(keys.map((key) => engine.get(key)));

test("a value whose damaged length swallows nulls gives no other key's null to a caller", async (t) => {
  const { server, engine } = await sceneWith(t, { a: "1\r\n1", d: "4", f: "6" });
  for (const swallowed of [1, 2]) {
    const before = server.connections;
    damageOnce(server, "MGET", (honest) => longer(honest, swallowed));
    assert.deepEqual(await gets(engine, ["a", "b", "c", "d", "e", "f"]), ["CORRUPT_VALUE", null, null, "4", null, "6"]);
    assert.equal(server.connections, before + 1);
  }
});

test("a value whose damaged length swallows answers to other calls gives none of them to the next", async (t) => {
  const { server, engine } = await sceneWith(t, { a: "1", c: "3" });
  damageOnce(server, "MGET", (honest) => longer(honest, 1));
  const calls = [engine.get("a"), engine.delete("b"), engine.delete("c")];
  assert.deepEqual(await all(calls), ["CORRUPT_VALUE", "CONNECTION", "CONNECTION"]);
  assert.equal(String(await engine.get("a")), "1");
  assert.equal(server.connections, 2);
});

test("a large value that codec threads were to decompress is no exception", async (t) => {
  const record = JSON.stringify({ job: "ingest", text: "all the world's a stage ".repeat(4000) });
  const options: StoreOptions = { ...ALL_RETRIES, workers: { threads: 1, offload: "always" } };
  const { server, engine } = await sceneWith(t, { a: record, c: "3" }, options);
  assert.equal(String(await engine.get("a")), record);
  damageOnce(server, "MGET", (honest) => longer(honest, 1));
  assert.deepEqual(await gets(engine, ["a", "b", "c", "d"]), ["CORRUPT_VALUE", null, "3", null]);
  assert.equal(server.connections, 2);
});

for (const inPieces of [false, true]) {
  test(`an entry too much among values moves no answer to the next key${inPieces ? ", in pieces" : ""}`, async (t) => {
    const { server, engine } = await openScene(t, { protocol: 2 }, ALL_RETRIES);
    await engine.batchPut(Object.entries({ other: "other's", b: "2", e: "5" }));
    server.data.set("c", "of another program");
    const tooMuch = bulk(server.data.get("other")!);
    if (inPieces) {
      const { deliver } = server;
      server.deliver = (reply, socket) => {
        const end = reply.indexOf(tooMuch, 0, "latin1") + tooMuch.length;
        socket.write(reply.subarray(0, end));
        setTimeout(() => deliver(reply.subarray(end), socket), 20);
      };
    }
    damageOnce(server, "MGET", (honest) => honest.replace("*5\r\n", `*5\r\n${tooMuch}`));
    const read = await gets(engine, ["a", "b", "c", "d", "e"]);
    for (const [index, honest] of [null, "2", "of another program", null, "5"].entries())
      assert.ok(read[index] === honest || read[index] === "CORRUPT_VALUE", `${index}: ${read[index]}`);
    assert.equal(read[0], "CORRUPT_VALUE");
    assert.equal(read[1], "2");
    assert.equal(server.connections, 2);
  });
}

test("a swap whose stored value has a damaged length takes no other answer with it", async (t) => {
  const { server, engine } = await sceneWith(t, { a: "1" });
  server.intercept = ([name], socket) => {
    if (name !== "EVAL") return undefined;
    server.intercept = () => undefined;
    const stored = bulk(server.data.get("a")!);
    socket.write(Buffer.from(longer(`*1\r\n${stored}:0\r\n:1\r\n`, 1), "latin1"));
    return "silence";
  };
  const calls = ["a", "b", "c"].map((key) => engine.compareAndSwap(key, "1", "2"));
  assert.deepEqual(await all(calls), ["CORRUPT_VALUE", "CONNECTION", "CONNECTION"]);
});

const DAMAGED = { plain: "damaged", "of several lines": "a\r\n- b\r\n- c" };
for (const [what, text] of Object.entries(DAMAGED)) {
  test(`a value that is damaged in the store spoils no answer beside it: ${what}`, async (t) => {
    const { server, engine } = await sceneWith(t, { a: text, c: "3", e: "5" });
    const stored = server.data.get("a")!;
    server.data.set("a", stored.replace(/.$/s, "#"));
    for (const keys of [["a", "b", "c", "d"], ["a", "b", "d"], ["b", "c", "a"], ["a"]]) {
      const expected = keys.map((key) => ({ a: "CORRUPT_VALUE", c: "3" })[key] ?? null);
      assert.deepEqual(await gets(engine, keys), expected, keys.join());
    }
    assert.deepEqual(await all([engine.get("a"), engine.get("b"), engine.get("e")]), ["CORRUPT_VALUE", null, "5"]);
    const calls = [engine.get("a"), engine.get("b"), engine.put("f", "6"), engine.delete("e")];
    assert.deepEqual(await all(calls), ["CORRUPT_VALUE", null, undefined, true]);
    for (const value of ["6", null]) {
      const taken = [engine.get("a"), engine.getAndDelete("f"), engine.setIfNotExists("c", "7")];
      assert.deepEqual(await all(taken), ["CORRUPT_VALUE", value, false]);
    }
    assert.equal(server.connections, 1);
  });
}

test("nor one whose answer comes together with that to another batch, which begins as values do", async (t) => {
  const { server, engine } = await sceneWith(t, { a: "damaged", c: "precious" });
  server.data.set("a", server.data.get("a")!.replace(/.$/s, "#"));
  const { deliver } = server;
  const kept: Buffer[] = [];
  server.deliver = (reply, socket) => {
    kept.push(reply);
    if (reply.includes("precious")) deliver(Buffer.concat(kept), socket);
  };
  const calls: Promise<unknown>[] = [engine.get("a"), engine.get("b")];
  await until("the first batch is answered", () => kept.length === 1);
  calls.push(engine.getAndDelete("c"));
  assert.deepEqual(await all(calls), ["CORRUPT_VALUE", null, "precious"]);
  assert.equal(server.connections, 1);
});

test("a value whose damaged length is less than it was gives away nothing of its text", async (t) => {
  const { server, engine } = await sceneWith(t, { a: "x\r\n$3\r\nabc\r\n_\r\nx", b: "2", c: "3" });
  const length = `$${server.data.get("a")!.length}\r\n`;
  damageOnce(server, "MGET", (honest) => honest.replace(length, "$9\r\n"));
  assert.deepEqual(await gets(engine, ["a", "b", "c"]), ["CORRUPT_VALUE", "2", "3"]);
});

test("a value too much that codec threads were to decompress moves no null to the next key", async (t) => {
  const record = (name: string): string => JSON.stringify({ name, text: "all the world's a stage ".repeat(400) });
  const options: StoreOptions = { ...ALL_RETRIES, workers: { threads: 1, offload: "always" } };
  const { server, engine } = await sceneWith(t, { a: record("a"), c: record("c"), d: "4" }, options);
  const first = bulk(server.data.get("a")!);
  damageOnce(server, "MGET", (honest) => honest.replace(first, first + first));
  const keys = ["a", "c", "b", "d", "e"];
  const honest = [record("a"), record("c"), null, "4", null];
  for (const [index, answer] of (await gets(engine, keys)).entries()) {
    assert.ok(answer === "CORRUPT_VALUE" || answer === honest[index], `${keys[index]}: ${answer}`);
  }
  assert.equal(server.connections, 2);
});

test("values beyond maxValueBytes that come in pieces leave no answer behind", async (t) => {
  const options: StoreOptions = { ...ALL_RETRIES, maxValueBytes: 1000 };
  const { server, engine } = await openScene(t, {}, options);
  for (const key of ["a", "c"]) server.data.set(key, "x".repeat(5000));
  const { deliver } = server;
  server.deliver = (reply, socket) => {
    deliver(reply.subarray(0, -100), socket);
    setTimeout(() => deliver(reply.subarray(-100), socket), 20);
  };
  assert.deepEqual(await gets(engine, ["a", "b", "c"]), ["CORRUPT_VALUE", null, "CORRUPT_VALUE"]);
});

test("a value whose damaged length is beyond maxValueBytes gives no other key's null to a caller", async (t) => {
  const options = { ...ALL_RETRIES, maxValueBytes: 1000, timeouts: { operationMs: 400 } };
  const { server, engine } = await sceneWith(t, { a: "a".repeat(960), b: "b".repeat(200), e: "5" }, options);
  damageOnce(server, "MGET", (honest) => longer(honest, 2));
  const calls = ["a", "b", "c", "d"].map((key) => engine.get(key));
  assert.deepEqual(await all([...calls, engine.delete("x")]), [
    "CORRUPT_VALUE",
    "b".repeat(200),
    null,
    null,
    "CONNECTION",
  ]);
});

test("nor the answers to other calls, where they are there with it", async (t) => {
  const { server, engine } = await sceneWith(t, { a: "a".repeat(1000) }, { ...ALL_RETRIES, maxValueBytes: 1000 });
  damageOnce(server, "MGET", (honest) => longer(honest, 16));
  const deletes = Array.from({ length: 20 }, (_, index) => engine.delete(`key ${index}`));
  const [read, ...answers] = await all([engine.get("a"), ...deletes]);
  assert.equal(read, "CORRUPT_VALUE");
  assert.deepEqual(new Set(answers), new Set(["CONNECTION"]));
});

test("a value beyond maxValueBytes, and values of other programs, keep nulls behind them in their place", async (t) => {
  const { server, engine } = await openScene(t, {}, { ...ALL_RETRIES, maxValueBytes: 1000 });
  await engine.put("d", "4");
  server.data.set("long", "x".repeat(5000));
  server.data.set("theirs", "plain text");
  const keys = ["long", "a", "theirs", "b", "d", "c"];
  assert.deepEqual(await gets(engine, keys), ["CORRUPT_VALUE", null, "plain text", null, "4", null]);
  assert.deepEqual(await gets(engine, ["long", "a", "theirs", "b"]), ["CORRUPT_VALUE", null, "plain text", null]);
  assert.equal(server.connections, 1);
});

const TAKEN: Readonly<Record<string, (engine: Engine) => readonly Promise<unknown>[]>> = {
  "null to the next value": (engine) => [engine.getAndDelete("absent"), engine.getAndDelete("b")],
  "null to a conditional put": (engine) => [engine.getAndDelete("absent"), engine.setIfNotExists("c", "3")],
  "value of another program": (engine) => [engine.getAndDelete("theirs"), engine.getAndDelete("b")],
  "error to the next call": (engine) => [engine.getAndDelete("list"), engine.ttl("b")],
};
for (const [what, call] of Object.entries(TAKEN)) {
  for (const inOneBatch of [true, false]) {
    test(`a value too much before one that is taken out moves no ${what} in ${inOneBatch ? "its" : "another"} batch`, async (t) => {
      const options: StoreOptions = { retry: { retries: 0 }, batching: { maxSize: inOneBatch ? 64 : 1 } };
      const { server, engine } = await sceneWith(t, { other: "other's", b: "2" }, options);
      server.data.set("theirs", "of another program");
      const tooMuch = bulk(server.data.get("other")!);
      let waiting = "";
      let replies = 0;
      server.intercept = ([, key]) => (key === "list" ? "-WRONGTYPE not a value\r\n" : undefined);
      server.deliver = (reply, socket) => {
        waiting += reply.toString("latin1");
        replies += reply.toString("latin1").split(/\r\n(?=[$_+:-])/).length;
        if (replies >= 2) socket.write(Buffer.from(tooMuch + waiting, "latin1"));
      };
      assert.deepEqual(await all(call(engine)), ["CORRUPT_VALUE", "CONNECTION"]);
    });
  }
}
