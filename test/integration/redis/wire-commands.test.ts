import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { failureOf, settled } from "../../support/outcomes.js";
import { bulk } from "../../support/resp-server.js";
import { until } from "../../support/until.js";
import { openScene } from "../../support/wire-scene.js";

test("MSETEX is used where the server has it, one command for each lifetime", async (t) => {
  const { server, engine } = await openScene(t, { hasMsetex: true });
  const lifetimes = [5000, 7000, 5000, 7000, 5000, 9000];
  const puts = lifetimes.map((ttlMs, index) => engine.put(`key ${index}`, `value ${index}`, { ttlMs }));
  await Promise.all(puts);
  const sent = server.commands.filter(([name]) => name === "MSETEX");
  assert.deepEqual(
    sent.map((command) => [
      command[1],
      ...command.filter((_, at) => at > 1 && at % 2 === 0 && at < command.length - 2),
      ...command.slice(-2),
    ]),
    [
      ["3", "key 0", "key 2", "key 4", "PX", "5000"],
      ["2", "key 1", "key 3", "PX", "7000"],
      ["1", "key 5", "PX", "9000"],
    ],
  );
  for (let i = 0; i < lifetimes.length; i++) assert.equal(String(await engine.get(`key ${i}`)), `value ${i}`);
  assert.ok(!server.names.includes("PSETEX"));
});

test("of puts with lifetimes that share a command, one that is refused for its key fails alone", async (t) => {
  const { server, engine } = await openScene(t, { hasMsetex: true });
  server.intercept = (command) => (command.includes("theirs") ? "-NOPERM no permission for a key\r\n" : undefined);
  const puts = ["a", "theirs", "b"].map((key) => settled(engine.put(key, key, { ttlMs: 5000 })));
  const endings = await Promise.all(puts);
  assert.deepEqual(
    endings.map((ending) => (ending.ok ? "done" : [ending.error.reason, ending.error.key])),
    ["done", ["NOPERM", "theirs"], "done"],
  );
  assert.deepEqual(server.names, ["MSETEX", "MSETEX", "PSETEX", "PSETEX", "PSETEX"]);
});

test("increments of one key stay together where a neighbour of theirs is refused", async (t) => {
  const { server, engine } = await openScene(t);
  server.intercept = ([name, , keys, first]) => {
    if (name !== "EVAL") return undefined;
    if (keys === "5") return "-NOPERM no permission for a key\r\n";
    return first === "theirs"
      ? "-NOPERM no permission for a key\r\n"
      : first === "a"
        ? "*3\r\n:1\r\n:2\r\n:3\r\n"
        : "*1\r\n:1\r\n";
  };
  const endings = await Promise.all(["a", "b", "a", "theirs", "a"].map((key) => settled(engine.increment(key))));
  // The numbers of keys are those of scripts: three of "a" travel together.
  assert.deepEqual(
    endings.map((ending) => (ending.ok ? ending.value : ending.error.reason)),
    [1n, 1n, 2n, "NOPERM", 3n],
  );
  assert.deepEqual(
    server.commands.filter(([name]) => name === "EVAL").map((command) => command[2]),
    ["5", "5", "3", "1", "1"],
  );
});

test("PSETEX is used where the server has no MSETEX", async (t) => {
  const { server, engine } = await openScene(t);
  await Promise.all([engine.put("a", "1", { ttlMs: 5000 }), engine.put("b", "1", { ttlMs: 5000 })]);
  assert.deepEqual(server.names, ["PSETEX", "PSETEX"]);
});

test("a lone get leaves as one command, concurrent ones as few, equal ones as one", async (t) => {
  const { server, engine } = await openScene(t);
  await engine.get("a");
  assert.deepEqual(server.names, ["MGET"]);
  await Promise.all(Array.from({ length: 100 }, () => engine.get("a")));
  assert.ok(server.names.length <= 9, `${server.names.length} commands for 100 reads of one key`);
  server.commands.length = 0;
  await Promise.all(Array.from({ length: 100 }, (_, i) => engine.get(`key ${i}`)));
  const keys = server.commands.flatMap((command) => command.slice(1));
  assert.deepEqual(
    keys,
    Array.from({ length: 100 }, (_, i) => `key ${i}`),
  );
  assert.ok(server.commands.length <= 8, `${server.commands.length} commands for 100 reads`);
});

test("an error reply fails the writes it concerns as not applied and nothing else", async (t) => {
  const { server, engine } = await openScene(t);
  await engine.put("a", "1");
  server.intercept = ([name]) =>
    name === "MSET" ? "-OOM command not allowed when used memory > 'maxmemory'.\r\n" : undefined;
  const [read, first, second, removed] = await Promise.all([
    engine.get("a"),
    settled(engine.put("b", "1")),
    settled(engine.put("c", "1")),
    engine.delete("d"),
  ]);
  assert.equal(String(read), "1");
  assert.equal(removed, false);
  for (const ending of [first, second]) {
    assert.ok(!ending.ok);
    assert.deepEqual(
      [ending.error.code, ending.error.reason, ending.error.outcome, ending.error.retryable],
      ["BACKEND", "OOM", "not-applied", false],
    );
  }
  assert.match(!first.ok ? first.error.message : "", /^put "b" on redis: OOM/);
  assert.equal(server.connections, 1);
});

test("a read behind a write that the server refused is asked of the server", async (t) => {
  const { server, engine } = await openScene(t);
  await engine.put("a", "old");
  server.intercept = ([name]) => (name === "MSET" ? "-OOM full\r\n" : undefined);
  const refused = failureOf(engine.put("a", "new"));
  assert.equal(String(await engine.get("a")), "old");
  assert.equal((await refused).reason, "OOM");
});

test("a transaction that the server refuses fails as not applied", async (t) => {
  const { server, engine } = await openScene(t);
  server.intercept = ([name]) => {
    if (name === "SET") return "-OOM full\r\n";
    return name === "EXEC" ? "-EXECABORT Transaction discarded because of previous errors.\r\n" : undefined;
  };
  const error = await failureOf(engine.transaction([{ type: "put", key: "a", value: "1" }]));
  assert.deepEqual([error.code, error.reason, error.outcome], ["BACKEND", "OOM", "not-applied"]);
  assert.equal(await engine.contains("a"), false);
});

test("a step that fails while a transaction runs leaves its outcome unknown", async (t) => {
  const { server, engine } = await openScene(t);
  server.intercept = ([name]) => (name === "EXEC" ? "*2\r\n+OK\r\n-ERR no\r\n" : undefined);
  const error = await failureOf(
    engine.transaction([
      { type: "put", key: "a", value: "1" },
      { type: "expire", key: "b", ttlMs: 1000 },
    ]),
  );
  assert.equal(error.outcome, "unknown");
});

test("where MULTI is refused, steps that the server carried out one by one are not said to be not applied", async (t) => {
  const { server, engine } = await openScene(t);
  server.intercept = ([name]) => {
    if (name === "MULTI") return "-NOPERM no permission to run 'multi'\r\n";
    if (name === "SET") return "+OK\r\n";
    return name === "EXEC" ? "-ERR EXEC without MULTI\r\n" : undefined;
  };
  const error = await failureOf(engine.transaction([{ type: "put", key: "a", value: "1" }]));
  assert.deepEqual([error.code, error.reason, error.outcome, error.key], ["BACKEND", "NOPERM", "unknown", undefined]);
});

test("where MULTI and every step are refused, nothing was applied", async (t) => {
  const { server, engine } = await openScene(t);
  server.intercept = ([name]) => (name === "PING" ? undefined : "-NOPERM no permission\r\n");
  const error = await failureOf(engine.transaction([{ type: "put", key: "a", value: "1" }]));
  assert.deepEqual([error.reason, error.outcome], ["NOPERM", "not-applied"]);
});

test("a lifetime beyond 2^53 ms is a number like any other", async (t) => {
  const { server, engine } = await openScene(t);
  server.intercept = ([name]) => (name === "PTTL" ? ":91000000000000000\r\n" : undefined);
  const [sum, lifetime] = await Promise.all([engine.increment("n"), engine.ttl("a")]);
  assert.deepEqual([sum, lifetime], [1n, 91_000_000_000_000_000]);
  assert.equal(server.connections, 1);
});

test("a compare-and-swap that was given up before its second step does not write any more", async (t) => {
  const { server, engine } = await openScene(t);
  const expected = "x".repeat(5000);
  await engine.put("a", expected);
  let swapping: Socket | undefined;
  server.intercept = ([name], socket) => {
    if (name !== "EVAL") return undefined;
    swapping ??= socket;
    return "silence";
  };
  const controller = new AbortController();
  const swap = failureOf(engine.compareAndSwap("a", expected, "next", { signal: controller.signal }));
  await until("it was sent", () => swapping !== undefined);
  controller.abort();
  assert.deepEqual([(await swap).code, (await swap).outcome], ["ABORTED", "unknown"]);
  swapping!.write(Buffer.from(`*1\r\n${bulk(server.data.get("a")!)}`, "latin1"));
  assert.equal(await engine.get("absent"), null);
  assert.equal(await engine.get("absent"), null);
  assert.equal(server.names.filter((name) => name === "EVAL").length, 1);
});
