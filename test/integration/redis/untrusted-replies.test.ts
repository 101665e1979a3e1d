import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, failureOf, settled } from "../../support/outcomes.js";
import { bulk } from "../../support/resp-server.js";
import { until } from "../../support/until.js";
import { openScene } from "../../support/wire-scene.js";

const SHIFTS: readonly [string, (reply: Buffer, previous: Buffer) => Buffer][] = [
  ["a value", (reply) => Buffer.concat([Buffer.from(bulk("EVIL!")), reply])],
  ["a status", (reply) => Buffer.concat([Buffer.from("+OK\r\n"), reply])],
  ["a number", (reply) => Buffer.concat([Buffer.from(":1\r\n"), reply])],
  ["an error", (reply) => Buffer.concat([Buffer.from("-ERR injected\r\n"), reply])],
  ["the reply before", (reply, previous) => Buffer.concat([previous, reply])],
  ["itself", (reply) => Buffer.concat([reply, reply])],
];
for (const [what, shift] of SHIFTS) {
  test(`${what} too much among the replies never gives a caller another key's value`, async (t) => {
    const { server, engine } = await openScene(t, {}, { timeouts: { operationMs: 300 } });
    const names = Array.from({ length: 40 }, (_, i) => `key ${i}`);
    await eventually(() => engine.batchPut(names.map((name) => [name, `value of ${name}`] as const)));
    const whole = server.deliver;
    let previous = Buffer.from("");
    server.deliver = (reply, socket) => {
      previous = Buffer.from(reply);
      whole(reply, socket);
    };
    await eventually(() => engine.get("key 39"));
    let injected = false;
    server.deliver = (reply, socket) => {
      server.deliver = whole;
      injected = true;
      whole(shift(reply, previous), socket);
    };
    let values = 0;
    for (const name of names) {
      const ending = await settled(engine.get(name));
      if (ending.ok && ending.value !== null) {
        assert.equal(String(ending.value), `value of ${name}`);
        values++;
      }
    }
    assert.ok(injected);
    assert.ok(values > 30, `${values} of 40 values were read`);
    assert.ok(server.connections > 1, "the connection with the shifted replies was kept");
  });
}

test("the beginning of a reply that nobody asked for is not taken for that of the next answer", async (t) => {
  const { server, engine } = await openScene(t);
  await engine.batchPut([
    ["a", "1"],
    ["b", "2"],
  ]);
  const whole = server.deliver;
  const begins = "*1\r\n$-1";
  server.deliver = (reply, socket) => {
    server.deliver = (next, later) =>
      whole(later === socket ? Buffer.concat([Buffer.from("\r\n"), next]) : next, later);
    whole(Buffer.concat([reply, Buffer.from(begins)]), socket);
  };
  assert.equal(String(await engine.get("a")), "1");
  const ending = await settled(engine.get("b"));
  assert.ok(!ending.ok || String(ending.value) === "2", JSON.stringify(ending));
  await until("the connection was replaced", () => server.connections > 1);
});

test("a value too much inside a reply of many gives no caller another key's value", async (t) => {
  const { server, engine } = await openScene(t);
  const names = Array.from({ length: 20 }, (_, i) => `key ${i}`);
  await engine.batchPut(names.map((name) => [name, `value of ${name}`] as const));
  let injected = false;
  server.intercept = (command) => {
    if (command[0] !== "MGET" || injected) return undefined;
    injected = true;
    const values = ["key 5", ...command.slice(1)].map((key) => bulk(server.data.get(key)!));
    return `*${command.length - 1}\r\n${values.join("")}`;
  };
  const endings = await Promise.all(names.map((name) => settled(engine.get(name))));
  for (const [index, ending] of endings.entries()) {
    if (ending.ok) assert.equal(String(ending.value), `value of ${names[index]}`);
  }
  assert.ok(injected && endings.some((ending) => !ending.ok));
  await until("the connection was replaced", () => server.connections > 1);
});

const HOSTILE: readonly [string, string][] = [
  ["a length beyond every limit", "*1\r\n$9999999999\r\n"],
  ["a length just beyond the limit", "*1\r\n$536870913\r\n"],
  ["a negative length", "*1\r\n$-5\r\n"],
  ["a length without digits", "*1\r\n$\r\n"],
  ["a length of letters", "*1\r\n$abc\r\n"],
  ["a number of values that nobody asked for", "*2000000000\r\n"],
  ["fewer values than asked for", "*0\r\n"],
  ["a value longer than it says", "*1\r\n$3\r\nabcdef\r\n"],
  ["nested arrays", "*1\r\n".repeat(100_000)],
  ["something that is no RESP", "HTTP/1.1 400 Bad Request\r\n\r\n"],
];
for (const [what, bytes] of HOSTILE) {
  test(`${what} ends the connection and allocates nothing for it`, async (t) => {
    const { server, engine } = await openScene(t);
    await engine.put("a", "1");
    const before = process.memoryUsage().arrayBuffers;
    server.intercept = ([name]) => (name === "MGET" ? bytes : undefined);
    const error = await failureOf(engine.get("a"));
    assert.deepEqual([error.code, error.outcome], ["CONNECTION", "not-applied"]);
    assert.match(error.message, /cannot be trusted/);
    server.intercept = () => undefined;
    assert.equal(String(await engine.get("a")), "1");
    assert.equal(server.connections, 2);
    assert.ok(process.memoryUsage().arrayBuffers - before < 32 << 20);
  });
}

for (const [what, begin, endless] of [
  ["digits of a value's length", "*1\r\n$", "0"],
  ["digits of an array's length", "*", "0"],
  ["a status", "+", "x"],
] as const) {
  test(`${what} without an end do not fill the memory`, async (t) => {
    const { server, engine } = await openScene(t);
    const before = process.memoryUsage().arrayBuffers;
    const piece = Buffer.alloc(1 << 20, endless);
    let sent = 0;
    server.intercept = ([name], socket) => {
      if (name !== "MGET" && name !== "MSET") return undefined;
      socket.write(begin);
      const more = (): void => {
        if (socket.destroyed || sent > 300 << 20) return;
        sent += piece.length;
        if (socket.write(piece)) setImmediate(more);
        else socket.once("drain", more);
      };
      more();
      return "silence";
    };
    const call = begin === "+" ? engine.put("a", "1") : engine.get("a");
    const error = await failureOf(call);
    assert.equal(error.code, "CONNECTION");
    assert.ok(sent < 100 << 20, `${sent} bytes were taken`);
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 << 20);
  });
}

test("a value beyond maxValueBytes fails alone, before it is allocated", async (t) => {
  const { server, engine } = await openScene(t, {}, { maxValueBytes: 100_000 });
  await engine.batchPut([
    ["a", "1"],
    ["b", "2"],
  ]);
  server.data.set("large", "x".repeat(30 << 20));
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers);
  }, 1);
  const [a, large, b] = await Promise.all([engine.get("a"), failureOf(engine.get("large")), engine.get("b")]);
  clearInterval(watch);
  assert.deepEqual([String(a), String(b)], ["1", "2"]);
  assert.deepEqual([large.code, large.reason, large.key], ["CORRUPT_VALUE", "ERR_VALUE_TOO_LARGE", "large"]);
  assert.equal(server.connections, 1);
  // The server in this process holds the reply; the client must not hold it once more.
  assert.ok(most - before < 100 << 20, `${most - before} bytes`);
});

test("pushed messages between replies are passed over", async (t) => {
  const { server, engine } = await openScene(t);
  await engine.put("a", "1");
  server.intercept = ([name]) => (name === "EXISTS" ? ">2\r\n+invalidate\r\n*1\r\n+a\r\n:1\r\n" : undefined);
  assert.equal(await engine.contains("a"), true);
  assert.equal(server.connections, 1);
});
