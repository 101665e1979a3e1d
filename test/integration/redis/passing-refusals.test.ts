import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type Engine } from "../../../src/index.js";
import { openConnections } from "../../support/connections.js";
import { nothingEscapes, settled } from "../../support/outcomes.js";
import { bulk, type Intercept, RespServer } from "../../support/resp-server.js";
import type { StoreOptions, TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const BUSY = "-BUSY Redis is busy running a script.\r\n";
const CACHE = { maxBytes: 1 << 20, ttlMs: 60_000 };

/** A server whose connections have ids and whose run has one, as the fence around lost connections needs them. */
async function openServer(t: TestScope, intercept: Intercept = () => undefined): Promise<RespServer> {
  nothingEscapes(t);
  const server = await RespServer.start();
  t.after(() => server.close());
  let id = 0;
  server.intercept = (command, socket) => {
    const scripted = intercept(command, socket);
    if (scripted !== undefined) return scripted;
    const [name, word] = command;
    if (name === "INFO") return bulk("# Server\r\nrun_id:this\r\n");
    return name === "CLIENT" && word === "ID" ? `:${++id}\r\n` : undefined;
  };
  return server;
}

async function openEngine(t: TestScope, server: RespServer, options: StoreOptions = {}): Promise<Engine> {
  const engine = await createEngine({
    retry: { retries: 0, baseDelayMs: 1, maxDelayMs: 20 },
    timeouts: { operationMs: 30_000, connectMs: 30_000 },
    circuitBreaker: false,
    ...options,
    backend: server.url,
    keyPrefix: "",
  });
  t.after(() => engine.close());
  return engine;
}

for (const connections of [1, 3]) {
  test(`with ${connections} connections, nothing is sent after one is lost until a busy server has ended it`, async (t) => {
    let refusals = 0;
    let isEnded = true;
    const early: string[] = [];
    let victim: Parameters<Intercept>[1] | undefined;
    const server = await openServer(t, ([name, word], socket) => {
      if (name === "MSET") {
        victim = socket;
        if (!isEnded) early.push(name);
      }
      if (name !== "CLIENT" || word !== "KILL") return undefined;
      if (refusals-- > 0) return BUSY;
      isEnded = true;
      return ":1\r\n";
    });
    const engine = await openEngine(t, server, { pool: { min: connections, max: connections } });
    await until("all are open", () => openConnections(engine) === connections);
    await engine.put("key", "1");
    refusals = 5;
    isEnded = false;
    victim!.destroy();
    await until("the loss was noticed", () => server.open < connections || refusals < 5);
    await until("the loss was noticed here", () => openConnections(engine) < connections || refusals < 5);
    await engine.put("key", "2");
    assert.deepEqual(early, []);
    assert.ok(isEnded, "it was not ended at all");
  });
}

for (const [what, isIt] of [
  ["INFO", ([name]) => name === "INFO"],
  ["CLIENT ID", ([name, word]) => name === "CLIENT" && word === "ID"],
] as const satisfies readonly (readonly [string, (command: readonly string[]) => boolean])[]) {
  test(`a connection on which a busy server refused ${what} is not used: a later one could not have it ended`, async (t) => {
    let refusals = 2;
    const server = await openServer(t, (command) => (isIt(command) && refusals-- > 0 ? BUSY : undefined));
    const engine = await openEngine(t, server, { pool: { min: 1, max: 1 } });
    await engine.put("a", "1");
    assert.equal(server.connections, 3);
    assert.equal(server.open, 1);
  });
}

test("a busy server that refuses to tell of changes is asked again", async (t) => {
  let refusals = 2;
  const server = await openServer(t, ([name, word]) =>
    name === "CLIENT" && word === "TRACKING" && refusals-- > 0 ? BUSY : undefined,
  );
  const engine = await openEngine(t, server, { cache: CACHE });
  assert.equal(engine.stats().cache!.invalidation, "changes");
});

test("with a cache, a read that a busy server refuses fails alone", async (t) => {
  const server = await openServer(t);
  const engine = await openEngine(t, server, { cache: CACHE, pool: { min: 1, max: 1 } });
  await engine.put("a", "1");
  const answer = server.intercept;
  server.intercept = (command, socket) =>
    command[1] === "CACHING" || command[0] === "MGET" ? BUSY : answer(command, socket);
  const [read, sum] = await Promise.all([settled(engine.get("a")), settled(engine.increment("n"))]);
  assert.ok(!read.ok);
  assert.deepEqual([read.error.code, read.error.reason, read.error.retryable], ["BACKEND", "BUSY", true]);
  assert.deepEqual(sum, { ok: true, value: 1n });
  server.intercept = answer;
  assert.equal(String(await engine.get("a")), "1");
  assert.equal(server.connections, 1);
});

test("with a cache, values that the server does not track end the connection", async (t) => {
  const server = await openServer(t);
  const engine = await openEngine(t, server, { cache: CACHE, pool: { min: 1, max: 1 } });
  await engine.put("a", "1");
  const answer = server.intercept;
  server.intercept = (command, socket) => (command[1] === "CACHING" ? BUSY : answer(command, socket));
  const read = await settled(engine.get("a"));
  assert.ok(!read.ok);
  assert.match(read.error.message, /does not track what is read/);
  server.intercept = answer;
  assert.equal(String(await engine.get("a")), "1");
  assert.equal(server.connections, 2);
});
