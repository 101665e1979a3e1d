import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type DelayProxy, startDelayProxy } from "../../../src/testing/index.js";
import { until } from "../../support/until.js";

interface Place {
  readonly proxy: DelayProxy;
  readonly client: Socket;
  readonly server: Socket;
  received(): Buffer;
}

async function place(t: TestContext, delayMs: () => number): Promise<Place> {
  const target = createServer({ noDelay: true, allowHalfOpen: true });
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const address = target.address();
  assert.ok(address !== null && typeof address === "object");
  const proxy = await startDelayProxy({ host: "127.0.0.1", port: address.port, delayMs });
  const accepted = once(target, "connection");
  const client = connect({ host: "127.0.0.1", port: proxy.port, noDelay: true });
  const pieces: Buffer[] = [];
  client.on("data", (piece: Buffer) => pieces.push(piece));
  const [server] = (await accepted) as [Socket];
  t.after(async () => {
    client.destroy();
    server.destroy();
    await proxy.close();
    target.close();
  });
  return { proxy, client, server, received: () => Buffer.concat(pieces) };
}

/** Every two bytes tell where they stood. */
function numbered(bytes: number): Buffer {
  const sent = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 4) sent.writeUInt32BE(at, at);
  return sent;
}

test("pieces that are held back for fractions of milliseconds keep their order", async (t) => {
  let pieces = 0;
  const { server, received } = await place(t, () => {
    // Those behind the first come a little later and wait for it: by whole milliseconds they would be due before it.
    const startedMs = performance.now();
    while (performance.now() - startedMs < 0.3);
    return pieces++ === 0 ? 30.9 : 0;
  });
  const sent = numbered(4 << 20);
  server.write(sent);
  await until("all has arrived", () => received().length === sent.length);
  assert.ok(pieces > 10, `${pieces} pieces`);
  assert.ok(received().equals(sent));
});

test("what is held when a stall begins waits for its end, too", async (t) => {
  let stalledMs = 0;
  const stalling: { proxy?: DelayProxy } = {};
  const { proxy, server, received } = await place(t, () => {
    stalledMs = performance.now();
    stalling.proxy?.stall(150);
    return 5;
  });
  stalling.proxy = proxy;
  server.write("a");
  await until("it has arrived", () => received().length === 1);
  assert.ok(performance.now() - stalledMs >= 149);
});

test("what is held when the server ends still arrives, and then the end", async (t) => {
  const { client, server, received } = await place(t, () => 20);
  server.write("last words");
  server.end();
  await once(client, "end");
  assert.equal(received().toString(), "last words");
});

test("a client that has said all it has to say still gets the answer", async (t) => {
  const { client, server, received } = await place(t, () => 5);
  server.on("data", () => {});
  client.end("question");
  await once(server, "end");
  server.end("answer");
  await once(client, "close");
  assert.equal(received().toString(), "answer");
});
