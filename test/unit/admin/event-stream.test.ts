import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { EventStream } from "../../../src/admin/event-stream.js";

const LARGE = "x".repeat(1_000_000);

/** A response whose reader takes nothing in. */
async function stuckReader(t: TestContext): Promise<{ response: ServerResponse; socket: Socket }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const requested = once(server, "request");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [, response] = (await requested) as [unknown, ServerResponse];
  t.after(() => {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { response, socket };
}

test("leaves messages out while the reader takes nothing in, so that none pile up", async (t) => {
  const { response } = await stuckReader(t);
  const stream = new EventStream(response, () => 0);
  const sent = Array.from({ length: 50 }, () => stream.send("sample", LARGE));
  assert.equal(sent[0], true);
  assert.equal(sent.filter(Boolean).length, 1);
  assert.ok(response.writableLength < 2 * LARGE.length);
});

test("goes on with the newest message once the reader has caught up", async (t) => {
  const { response, socket } = await stuckReader(t);
  const stream = new EventStream(response, () => 0);
  stream.send("sample", LARGE);
  assert.equal(stream.send("sample", "left out"), false);
  socket.resume();
  await once(response, "drain");
  assert.equal(stream.send("sample", "newest"), true);
});

test("ends a reader that has taken nothing in for a quarter of a minute", async (t) => {
  const { response } = await stuckReader(t);
  let nowMs = 0;
  const stream = new EventStream(response, () => nowMs);
  stream.send("sample", LARGE);
  nowMs = 14_999;
  stream.send("sample", "");
  assert.equal(response.destroyed, false);
  nowMs = 15_000;
  stream.send("sample", "");
  assert.equal(response.destroyed, true);
});
