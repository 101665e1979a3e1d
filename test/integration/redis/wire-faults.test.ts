import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { Engine } from "../../../src/index.js";
import { openConnections } from "../../support/connections.js";
import { eventually, failureOf, settled } from "../../support/outcomes.js";
import { until } from "../../support/until.js";
import { openScene } from "../../support/wire-scene.js";

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

test("a stall of this process is not taken for silence of the server", async (t) => {
  const operationMs = 200;
  const { server, engine } = await openScene(t, {}, { timeouts: { operationMs } });
  await engine.put("a", "1");
  server.deliver = (reply, socket) => {
    // It is in the client's socket now, and nobody can read it.
    socket.write(reply);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, operationMs * 2);
  };
  assert.equal(String(await engine.get("a", { timeoutMs: 30_000 })), "1");
  assert.equal(server.connections, 1);
});

test("what waits in this process for a peer that reads slowly is not overwritten by what is called next", async (t) => {
  const { server, engine } = await openScene(
    t,
    {},
    {
      compression: { codec: "none" },
      batching: { maxSize: 4, maxInFlight: 1024 },
      timeouts: { operationMs: 30_000 },
    },
  );
  let isSlow = true;
  server.intercept = (_command, socket) => {
    if (!isSlow) return undefined;
    isSlow = false;
    socket.pause();
    setTimeout(() => socket.resume(), 300);
    return undefined;
  };
  const values = Array.from({ length: 2000 }, (_, index) => Buffer.alloc(8 * 1024, index));
  await Promise.all(values.map((value, index) => engine.put(`key ${index}`, value)));
  for (const [index, value] of values.entries()) assert.deepEqual(await engine.get(`key ${index}`), value);
  assert.equal(server.connections, 1);
});
