import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createEngine } from "../../../src/index.js";
import { type RedisServer, type RedisServerOptions, startRedis } from "../../../src/testing/index.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { redisIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";
import { openScene } from "../../support/wire-scene.js";

const PATIENT = { connectMs: 30_000, operationMs: 30_000 };
const LOADING = "-LOADING Redis is loading the dataset in memory\r\n";

/** The connections for data send theirs in capitals. */
function isControl([name]: readonly string[]): boolean {
  return name === name!.toLowerCase();
}

test("a server that loads its data fails scans and health checks at once, and never keeps them waiting", async (t) => {
  const { server, engine } = await openScene(t, {}, { timeouts: PATIENT });
  server.intercept = (command) => {
    const [name] = command;
    if (name === "hello" || name === "client") return "+OK\r\n";
    if (name === "info") return "$11\r\nloading:1\r\n\r\n";
    return isControl(command) ? LOADING : undefined;
  };
  const health = await engine.healthCheck();
  assert.equal(health.healthy, false);
  assert.match(health.detail, /LOADING/);
  const error = await failureOf(engine.count());
  assert.deepEqual([error.reason, error.retryable], ["LOADING", true]);
  await engine.put("a", "1");
});

test("a server that says nothing to the control connection costs connectMs, and close does not wait for it", async (t) => {
  const { server, engine } = await openScene(t, {}, { timeouts: { connectMs: 200, operationMs: 30_000 } });
  server.intercept = (command) => (isControl(command) || command[1] === "2" ? "silence" : undefined);
  const error = await failureOf(engine.count());
  assert.equal(error.code, "CONNECTION");
  assert.match(error.message, /no answer within 200 ms/);

  const patient = await openScene(t, {}, { timeouts: PATIENT });
  patient.server.intercept = (command) => (isControl(command) || command[1] === "2" ? "silence" : undefined);
  // Work that is counted or listed would be waited for.
  const waiting = settled(patient.engine.keys()[Symbol.asyncIterator]().next());
  await until("it connects", () => patient.server.connections === 2);
  await patient.engine.close();
  assert.equal((await waiting).ok, false);
  await until("nothing is left", () => patient.server.open === 0);
});

test("a server that says nothing to a scan or to a question about itself is told as silent", async (t) => {
  const { server, engine } = await openScene(t, {}, { timeouts: { operationMs: 300 } });
  server.intercept = ([name]) => (name === "scan" || name === "info" ? "silence" : undefined);
  for (const call of [() => engine.count(), () => engine.memoryUsage()]) {
    const error = await failureOf(call());
    assert.deepEqual([error.code, error.reason, error.retryable], ["TIMEOUT", "ERR_SILENT_PEER", true]);
    assert.match(error.message, /127\.0\.0\.1:\d+: the server has been silent for 270 ms/);
  }
});

test("a database that the server refuses for now is not mistaken for database 0", async (t) => {
  const { server } = await openScene(t);
  const second = await createEngine({ backend: `${server.url}/1`, retry: { retries: 0, baseDelayMs: 0 } });
  t.after(() => second.close());
  server.intercept = ([name]) =>
    name!.toLowerCase() === "select" ? "-BUSY Redis is busy running a script.\r\n" : undefined;
  const error = await failureOf(second.clear("a"));
  assert.deepEqual([error.reason, error.retryable, error.outcome], ["BUSY", true, "not-applied"]);
  assert.ok(!server.commands.some(([name]) => name === "scan"));
});

test("the end of a connection that was given up does not make its successor forgotten", async (t) => {
  const { server, engine } = await openScene(t);
  let isFirst = true;
  server.intercept = ([name]) => {
    if (name !== "ping") return undefined;
    const extra = isFirst ? "+OK\r\n" : "";
    isFirst = false;
    return `${extra}+PONG\r\n`;
  };
  assert.match((await engine.healthCheck()).detail, /cannot be trusted/);
  assert.equal((await engine.healthCheck()).healthy, true);
  await until("the first is gone", () => server.open === 2);
  assert.equal((await engine.healthCheck()).healthy, true);
  assert.equal(server.connections, 3);
});

async function openServer(t: TestScope, options?: RedisServerOptions): Promise<{ server: RedisServer; admin: Redis }> {
  nothingEscapes(t);
  const server = await startRedis(options);
  t.after(() => server.stop());
  const admin = new Redis(server.port, "127.0.0.1");
  t.after(() => admin.disconnect());
  return { server, admin };
}

if (await redisIsThere("the control connection")) {
  test("clear deletes nothing of another database when the user may not select its own any more", async (t) => {
    const { server, admin } = await openServer(t);
    await admin.acl("SETUSER", "app", "on", ">pw", "~*", "+@all");
    await admin.set("state:of another program", "precious");
    const engine = await createEngine({ backend: `redis://app:pw@127.0.0.1:${server.port}/1`, timeouts: PATIENT });
    t.after(() => engine.close());
    await engine.put("mine", "1");
    await admin.acl("SETUSER", "app", "-select");
    for (const call of [() => engine.clear(), () => engine.listKeys(), () => engine.count()]) {
      const error = await failureOf(call());
      assert.deepEqual([error.code, error.reason, error.retryable], ["CONNECTION", "NOPERM", false]);
    }
    assert.equal(await admin.get("state:of another program"), "precious");
    await admin.acl("SETUSER", "app", "+select");
    assert.equal(await engine.clear(), 1);
    assert.equal(await admin.get("state:of another program"), "precious");
  });

  test("a user name without a password logs in as that user, for data and for scans", async (t) => {
    const { server, admin } = await openServer(t);
    await admin.acl("SETUSER", "app", "on", "nopass", "~*", "+@all");
    await admin.acl("SETUSER", "locked", "on", ">secret", "~*", "+@all");
    const engine = await createEngine(`redis://app@127.0.0.1:${server.port}`);
    t.after(() => engine.close());
    await engine.put("a", "1");
    assert.equal(await engine.count(), 1);
    const list = String(await admin.client("LIST"));
    const own = String(await admin.client("ID"));
    const users = [...list.matchAll(/^id=(\d+) .* user=(\S+)/gm)].filter(([, id]) => id !== own);
    assert.deepEqual(
      users.map(([, , user]) => user),
      ["app", "app"],
    );
    const error = await failureOf(createEngine(`redis://locked@127.0.0.1:${server.port}`));
    assert.deepEqual([error.code, error.reason, error.retryable], ["CONNECTION", "WRONGPASS", false]);
  });

  test("nothing is written to the console, whatever the server does not allow or need", async (t) => {
    const { server, admin } = await openServer(t);
    const written: unknown[] = [];
    for (const method of ["warn", "error", "log"] as const) {
      t.mock.method(console, method, (...args: unknown[]) => written.push(args));
    }
    await admin.acl("SETUSER", "app", "on", ">pw", "~*", "+@all", "-info");
    for (const login of ["app:pw@", ":not-needed@"]) {
      const engine = await createEngine(`redis://${login}127.0.0.1:${server.port}`);
      assert.equal(await engine.count(), 0);
      await engine.close();
    }
    assert.deepEqual(written, []);
  });

  test("no error repeats the values of a command that the server does not know", async (t) => {
    const { server } = await openServer(t, {
      args: ["--rename-command", "MSET", "", "--rename-command", "PSETEX", ""],
    });
    const engine = await createEngine({ backend: server.url });
    t.after(() => engine.close());
    const value = "card=4111-1111-1111-1111";
    for (const call of [engine.put("a", value), engine.put("a", value, { ttlMs: 5000 })]) {
      const error = await failureOf(call);
      assert.match(error.message, /unknown command/);
      assert.doesNotMatch(error.message, /4111/);
    }
  });
}
