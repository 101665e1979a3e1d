import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { createEngine, type Engine } from "../../../src/index.js";
import { openConnections } from "../../support/connections.js";
import { eventually, failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { bulk, RespServer, type RespServerOptions } from "../../support/resp-server.js";
import type { StoreOptions, TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

interface Scene {
  readonly server: RespServer;
  readonly engine: Engine;
}

async function openScene(t: TestScope, server: RespServerOptions = {}, options: StoreOptions = {}): Promise<Scene> {
  nothingEscapes(t);
  const resp = await RespServer.start(server);
  const engine = await createEngine({
    // What the wire itself reports: nothing is tried again, nothing held back.
    retry: { retries: 0, baseDelayMs: 0, maxDelayMs: 50 },
    circuitBreaker: false,
    ...options,
    backend: resp.url,
    keyPrefix: "",
  });
  t.after(async () => {
    await engine.close();
    await resp.close();
  });
  return { server: resp, engine };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One batch of every kind of reply; its results are always the same on a server that holds `a` and `n`. */
async function oneOfEach(engine: Engine): Promise<unknown[]> {
  const calls: Promise<unknown>[] = [
    engine.put("a", "value of a"),
    engine.put("n", "7"),
    engine.flush(),
    engine.batchGet(["a", "absent", "n", "a"]).then((values) => values.map(String)),
    engine.contains("a"),
    engine.delete("b"),
    engine.put("c", "value of c"),
    engine.put("d", "value of d", { ttlMs: 5000 }),
    engine.put("e", "value of e", { ttlMs: 6000 }),
    engine.setIfNotExists("f", "value of f"),
    engine.getAndDelete("f2").then(String),
    engine.ttl("a2"),
    engine.expire("a3", null),
    engine.transaction([
      { type: "put", key: "g", value: "value of g" },
      { type: "delete", key: "h" },
    ]),
    engine.increment("counter", 5),
  ];
  const endings = await Promise.all(calls.map(settled));
  return endings.map((ending) => (ending.ok ? ending.value : ending.error));
}

for (const protocol of [2, 3] as const) {
  test(`every operation works on a server that speaks RESP${protocol}`, async (t) => {
    const { server, engine } = await openScene(t, { protocol });
    await engine.put("a", "1");
    assert.equal(String(await engine.get("a")), "1");
    assert.equal(await engine.get("absent"), null);
    assert.equal(await engine.setIfNotExists("a", "2"), false);
    assert.equal(await engine.getAndDelete("absent"), null);
    assert.equal(await engine.increment("n", 3), 3n);
    assert.deepEqual(
      (await oneOfEach(engine)).filter((result) => result instanceof Error),
      [],
    );
    assert.equal(server.connections, 1);
  });

  test(`replies of RESP${protocol} cut in two at any byte give the same results`, async (t) => {
    const { server, engine } = await openScene(t, { protocol });
    await oneOfEach(engine);
    server.data.delete("f");
    server.data.delete("counter");
    let longest = 0;
    server.deliver = (reply, socket) => {
      longest = Math.max(longest, reply.length);
      socket.write(reply);
    };
    const expected = await oneOfEach(engine);
    assert.ok(longest > 130, `the longest run of replies has ${longest} bytes`);
    for (let cut = 1; cut < longest; cut++) {
      server.data.delete("f");
      server.data.delete("counter");
      server.deliver = async (reply, socket) => {
        socket.write(reply.subarray(0, cut));
        await turn();
        await turn();
        socket.write(reply.subarray(cut));
      };
      assert.deepEqual(await oneOfEach(engine), expected, `cut after ${cut} bytes`);
    }
    assert.equal(server.connections, 1);
  });

  test(`replies of RESP${protocol} that end at any byte settle nothing wrongly`, async (t) => {
    const { server, engine } = await openScene(t, { protocol });
    await oneOfEach(engine);
    server.data.delete("f");
    server.data.delete("counter");
    const whole = server.deliver;
    let longest = 0;
    server.deliver = (reply, socket) => {
      longest = Math.max(longest, reply.length);
      socket.write(reply);
    };
    const expected = await oneOfEach(engine);
    for (let cut = 0; cut < longest; cut += 2) {
      server.data.delete("f");
      server.data.delete("counter");
      let cutOnce = false;
      server.deliver = (reply, socket) => {
        if (cutOnce || reply.length <= cut) {
          whole(reply, socket);
          return;
        }
        cutOnce = true;
        server.deliver = whole;
        socket.end(reply.subarray(0, cut));
      };
      for (const [index, result] of (await oneOfEach(engine)).entries()) {
        if (result instanceof Error) assert.equal((result as { code?: string }).code, "CONNECTION", String(result));
        else if (cutOnce && index < 13) assert.deepEqual(result, expected[index], `ended after ${cut} bytes`);
      }
      await until("the engine works again", async () => (await settled(engine.get("a", { timeoutMs: 500 }))).ok);
    }
    assert.ok(server.connections > 50);
  });
}

test("replies that arrive byte by byte give the same results", async (t) => {
  const { server, engine } = await openScene(t);
  server.deliver = async (reply, socket) => {
    for (const byte of reply) {
      socket.write(Buffer.of(byte));
      await turn();
    }
  };
  assert.deepEqual(
    (await oneOfEach(engine)).filter((result) => result instanceof Error),
    [],
  );
});

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

test("a server that falls silent costs the calls their deadline, not the engine", async (t) => {
  const { server, engine } = await openScene(t, {}, { timeouts: { operationMs: 200 } });
  await eventually(() => engine.put("a", "1"));
  server.intercept = () => "silence";
  const [write, read] = await Promise.all([failureOf(engine.put("a", "2")), failureOf(engine.get("b"))]);
  assert.deepEqual([write.code, write.outcome], ["TIMEOUT", "unknown"]);
  assert.deepEqual([read.code, read.outcome], ["TIMEOUT", "not-applied"]);
  server.intercept = () => undefined;
  await until("the engine has a connection that answers", async () => (await settled(engine.get("a"))).ok);
  assert.ok(server.connections > 1);
});

test("a reset under way fails writes as unknown and reads as not applied, and the engine goes on", async (t) => {
  const { server, engine } = await openScene(t);
  await engine.put("a", "1");
  server.intercept = (_command, socket: Socket) => {
    socket.resetAndDestroy();
    return "silence";
  };
  const calls = [
    engine.put("a", "2"),
    engine.delete("b"),
    engine.increment("c"),
    engine.transaction([{ type: "delete", key: "d" }]),
  ];
  const reads = [engine.get("e"), engine.contains("f"), engine.ttl("g")];
  const failures = await Promise.all([...calls, ...reads].map(failureOf));
  server.intercept = () => undefined;
  assert.deepEqual(
    failures.map((error) => [error.code, error.outcome]),
    [...calls.map(() => ["CONNECTION", "unknown"]), ...reads.map(() => ["CONNECTION", "not-applied"])],
  );
  assert.equal(String(await engine.get("a")), "1");
});

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

test("a connection that breaks in the moment it is ready is replaced", async (t) => {
  const { server, engine } = await openScene(t, { protocol: 3 });
  await engine.put("a", "1");
  let handshakes = 0;
  server.intercept = ([name, word]) => {
    if (name !== "CLIENT" || word !== "SETINFO" || ++handshakes !== 2) return undefined;
    return "+OK\r\n+OK to nothing\r\n";
  };
  server.dropAll();
  await until("the loss was noticed", () => openConnections(engine) === 0);
  assert.equal(String(await engine.get("a")), "1");
  assert.equal(server.connections, 3);
});
