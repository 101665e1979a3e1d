import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from "../../../src/testing/index.js";
import { until } from "../../support/until.js";

interface Peer {
  readonly socket: Socket;
  received: Buffer;
  chunks: number;
  end: "open" | "ended" | "reset";
}

/** A socket that remembers what it got and how it ended. */
function remember(socket: Socket): Peer {
  const peer: Peer = { socket, received: Buffer.alloc(0), chunks: 0, end: "open" };
  socket.on("data", (bytes: Buffer) => {
    peer.received = Buffer.concat([peer.received, bytes]);
    peer.chunks++;
  });
  socket.on("end", () => {
    peer.end = "ended";
  });
  socket.on("error", () => {
    peer.end = "reset";
  });
  return peer;
}

interface Place {
  readonly proxy: FaultProxy;
  /** The server's ends of the connections, in the order of their arrival. */
  readonly servers: Peer[];
  dial(): Promise<Peer>;
  /** Both ends of a new connection that has been seen to work. */
  pair(): Promise<{ client: Peer; server: Peer }>;
}

async function place(t: TestContext, options?: FaultProxyOptions): Promise<Place> {
  const servers: Peer[] = [];
  const target = createServer({ noDelay: true }, (socket) => servers.push(remember(socket)));
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const address = target.address();
  assert.ok(address !== null && typeof address === "object");
  const proxy = await startFaultProxy(address.port, options);
  const clients: Peer[] = [];
  t.after(async () => {
    await proxy.close();
    for (const { socket } of [...clients, ...servers]) socket.destroy();
    target.close();
  });
  const dial = async (): Promise<Peer> => {
    const socket = connect({ host: proxy.host, port: proxy.port, noDelay: true });
    const client = remember(socket);
    clients.push(client);
    await new Promise<void>((resolve) => {
      socket.once("connect", resolve);
      socket.once("close", () => resolve());
    });
    return client;
  };
  return {
    proxy,
    servers,
    dial,
    async pair() {
      const known = servers.length;
      const client = await dial();
      client.socket.write("?");
      await until("the server has the first byte", () => servers[known]?.received.length === 1);
      const server = servers[known]!;
      server.received = Buffer.alloc(0);
      return { client, server };
    },
  };
}

for (const thread of [false, true]) {
  const where = thread ? "in its own thread" : "in the caller's thread";

  test(`${where}: passes bytes on in both directions, and ends`, async (t) => {
    const { client, server } = await (await place(t, { thread })).pair();
    client.socket.write("question");
    await until("the server has it", () => server.received.toString() === "question");
    server.socket.write("answer");
    server.socket.end();
    await until("the client has it and the end", () => client.end === "ended");
    assert.equal(client.received.toString(), "answer");
  });

  test(`${where}: cuts all connections with a reset, once or again and again`, async (t) => {
    const { proxy, pair, dial } = await place(t, { thread });
    const first = await pair();
    const second = await pair();
    assert.equal(await proxy.cut(), 2);
    await until("all four ends are reset", () =>
      [first, second].every(({ client, server }) => client.end === "reset" && server.end === "reset"),
    );
    await proxy.set({ cutEveryMs: 5 });
    const third = await dial();
    await until("the next is cut as well", () => third.end === "reset");
    assert.equal((await proxy.statistics()).cuts, 3);
  });
}

test("is stopped with its thread, after which nothing listens", async (t) => {
  const { proxy, dial, pair } = await place(t);
  const { client } = await pair();
  await Promise.all([proxy.close(), proxy.close()]);
  await until("the connection is gone", () => client.end === "reset");
  assert.equal((await dial()).end, "reset");
});

for (const thread of [false, true]) {
  const where = thread ? "in its own thread" : "in the caller's thread";

  test(`${where}: a proxy that is closed settles every call`, async (t) => {
    const { proxy, pair } = await place(t, { thread });
    await pair();
    const closing = proxy.close();
    assert.equal(await proxy.cut(), 0);
    await closing;
    const { accepted, open, bytesToServer } = await proxy.statistics();
    assert.deepEqual([accepted, open, bytesToServer], [1, 0, 1]);
    assert.equal(await proxy.cut(), 0);
    const refused = { message: "the proxy is closed" };
    await assert.rejects(proxy.set({ accept: "refuse" }), refused);
    await assert.rejects(proxy.arm({ kind: "lost-ack" }), refused);
    await assert.rejects(proxy.clear(), refused);
    await proxy.close();
  });
}

test("swallows what one direction says, and resets the connection afterwards because its stream has a hole", async (t) => {
  const { proxy, pair } = await place(t);
  const { client, server } = await pair();
  await proxy.set({ toClient: { swallow: true } });
  server.socket.write("never heard");
  client.socket.write("heard");
  await until("the other direction works", () => server.received.toString() === "heard");
  await until("the bytes are swallowed", async () => (await proxy.statistics()).bytesToClient === 11);
  assert.equal(client.received.length, 0);
  assert.equal(client.end, "open");
  await proxy.clear();
  await until("both ends are reset", () => client.end === "reset" && server.end === "reset");
});

test("lets neither side hear of the other's end while it swallows", async (t) => {
  const { proxy, pair, dial } = await place(t);
  const { client, server } = await pair();
  await proxy.set({ toClient: { swallow: true }, toServer: { swallow: true } });
  client.socket.resetAndDestroy();
  const later = await dial();
  later.socket.write("never heard");
  await until("later bytes are swallowed", async () => (await proxy.statistics()).bytesSwallowed === 11);
  assert.equal(server.end, "open");
  await proxy.clear();
  await until("the server hears of it", () => server.end === "reset");
});

for (const [from, to] of [
  ["client", "server"],
  ["server", "client"],
] as const) {
  test(`keeps it from the ${to} while it swallows that the ${from} has ended, and resets the pair afterwards`, async (t) => {
    const { proxy, pair } = await place(t, { thread: false });
    const { [from]: ending, [to]: other } = await pair();
    await proxy.set({ toClient: { swallow: true } });
    ending.socket.end();
    // Nothing tells of an end that is swallowed: a connection made later shows that the proxy has come past it.
    await pair();
    await pair();
    assert.equal(other.end, "open");
    await proxy.clear();
    await until("the other side hears of it", () => other.end === "reset");
  });
}

test("delays, throttles and trickles without changing a byte", async (t) => {
  const { proxy, pair } = await place(t);
  const sent = Buffer.from(Array.from({ length: 5000 }, (_, index) => index & 0xff));
  for (const fault of [{ delayMs: 30 }, { bytesPerSecond: 50_000 }, { trickle: true }]) {
    const { client, server } = await pair();
    await proxy.set({ toClient: fault });
    const startedMs = performance.now();
    server.socket.write(sent.subarray(0, 3000));
    server.socket.write(sent.subarray(3000));
    await until("everything has arrived", () => client.received.length === sent.length);
    assert.deepEqual(client.received, sent);
    const tookMs = performance.now() - startedMs;
    if ("delayMs" in fault) assert.ok(tookMs >= 29, `took ${tookMs} ms`);
    if ("bytesPerSecond" in fault) assert.ok(tookMs >= 80, `took ${tookMs} ms`);
    if ("trickle" in fault) assert.ok(client.chunks > 10, `${client.chunks} pieces`);
    await proxy.clear();
  }
});

test("drops a reply after the work was done and resets the connection", async (t) => {
  const { proxy, pair } = await place(t);
  const { client, server } = await pair();
  const { happened } = await proxy.arm({ kind: "lost-ack" });
  client.socket.write("do it");
  await until("the request has arrived", () => server.received.toString() === "do it");
  server.socket.write(":1\r\n");
  assert.equal(await happened, true);
  await until("both ends are reset", () => client.end === "reset" && server.end === "reset");
  assert.equal(client.received.length, 0);
});

test("flips one bit of a payload and leaves shorter ones alone", async (t) => {
  const { proxy, pair } = await place(t);
  const { client, server } = await pair();
  const { happened } = await proxy.arm({ kind: "flip-payload", minBytes: 8 });
  server.socket.write("$5\r\nshort\r\n");
  await until("the short one has passed", () => client.received.length === 11);
  assert.equal(client.received.toString(), "$5\r\nshort\r\n");
  const reply = Buffer.from("$10\r\n0123456789\r\n");
  server.socket.write(reply);
  assert.equal(await happened, true);
  await until("the long one has arrived", () => client.received.length === 11 + reply.length);
  const got = client.received.subarray(11);
  const differing = [...reply.keys()].filter((index) => reply[index] !== got[index]);
  assert.equal(differing.length, 1);
  assert.ok(differing[0]! >= 5 && differing[0]! < 15);
  const flipped = reply[differing[0]!]! ^ got[differing[0]!]!;
  assert.equal(flipped & (flipped - 1), 0, "exactly one bit");
});

test("changes the length of a payload", async (t) => {
  const { proxy, pair } = await place(t);
  const lengths = { shorter: "$2", longer: "$52", absurd: "$9999999999" } as const;
  for (const how of ["shorter", "longer", "absurd"] as const) {
    const { client, server } = await pair();
    const { happened } = await proxy.arm({ kind: "flip-length", how });
    server.socket.write("$12\r\n012345678901\r\n");
    assert.equal(await happened, true);
    const expected = `${lengths[how]}\r\n012345678901\r\n`;
    await until("it has arrived", () => client.received.length === expected.length);
    assert.equal(client.received.toString(), expected);
  }
});

test("has a payload end where a later reply does, and waits for one", async (t) => {
  const { proxy, pair } = await place(t);
  const { client, server } = await pair();
  const { happened } = await proxy.arm({ kind: "flip-length", how: "swallowing" });
  const alone = "$3\r\nabc\r\n";
  server.socket.write(alone);
  await until("the first has arrived", () => client.received.length === alone.length);
  server.socket.write("$3\r\nabc\r\n$-1\r\n:1\r\n");
  assert.equal(await happened, true);
  await until("all has arrived", () => client.received.length > 2 * alone.length);
  const damaged = /^\$(\d+)\r\n/.exec(client.received.subarray(alone.length).toString());
  assert.ok(["8", "12"].includes(damaged![1]!), damaged![1]);
});

test("puts a reply in front of another, once", async (t) => {
  const { proxy, pair } = await place(t);
  const { client, server } = await pair();
  const { happened } = await proxy.arm({ kind: "extra-reply", bytes: Buffer.from("$5\r\nEVIL!\r\n") });
  server.socket.write("+OK\r\n");
  assert.equal(await happened, true);
  server.socket.write("+OK\r\n");
  await until("all has arrived", () => client.received.length === 21);
  assert.equal(client.received.toString(), "$5\r\nEVIL!\r\n+OK\r\n+OK\r\n");
});

test("says that a single fault did not happen when it is called off", async (t) => {
  const { proxy } = await place(t);
  const { happened } = await proxy.arm({ kind: "lost-ack" });
  await proxy.clear();
  assert.equal(await happened, false);
});

test("refuses, ignores or closes new connections while the old ones live", async (t) => {
  const { proxy, pair, dial, servers } = await place(t);
  const old = await pair();
  await proxy.set({ accept: "refuse" });
  assert.equal((await dial()).end, "reset");

  await proxy.set({ accept: "close" });
  const closed = await dial();
  await until("it is closed", () => closed.end !== "open");

  await proxy.set({ accept: "silence" });
  const known = servers.length;
  const ignored = await dial();
  ignored.socket.write("anybody there?");
  old.client.socket.write("still");
  await until("the old connection works", () => old.server.received.toString() === "still");
  assert.equal(servers.length, known);
  assert.equal(ignored.end, "open");

  await proxy.clear();
  await until("the ignored one is reset", () => ignored.end === "reset");
  await pair();
});
