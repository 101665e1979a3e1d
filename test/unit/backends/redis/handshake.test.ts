import assert from "node:assert/strict";
import { test } from "node:test";
import { askIdentity, shakeHands } from "../../../../src/backends/redis/wire/handshake.js";
import { ErrorReply, ProtocolError } from "../../../../src/backends/redis/wire/protocol-error.js";
import type { Reply } from "../../../../src/backends/redis/wire/reply-parser.js";

const INFO = Buffer.from("# Server\r\nrun_id:this\r\n");
const LOGIN = { database: 0 };

/** Answers with these, whatever is asked. */
function asking(...replies: Reply[]): (...args: string[]) => Promise<Reply> {
  return async () => replies.shift() ?? null;
}

test("a connection is known by its id and the run of the server, or not, where the server does not tell", async () => {
  const refused = new ErrorReply("NOPERM this user has no permissions to run the 'client|id' command");
  assert.deepEqual(await askIdentity(asking(INFO, 7)), { clientId: 7, runId: "this" });
  assert.deepEqual(await askIdentity(asking("txt:# Server\r\nrun_id:this\r\n", 7)), { clientId: 7, runId: "this" });
  assert.deepEqual(await askIdentity(asking(INFO, refused)), { clientId: undefined, runId: "this" });
  assert.deepEqual(await askIdentity(asking(refused, 7)), { clientId: 7, runId: undefined });
});

test("what cannot be the answer to the question is not taken for a server that does not tell", async () => {
  const value = Buffer.from("a value that nobody asked for");
  await assert.rejects(askIdentity(asking(value, INFO)), ProtocolError);
  await assert.rejects(askIdentity(asking(value, 7)), ProtocolError);
  await assert.rejects(askIdentity(asking(INFO, value)), ProtocolError);
  await assert.rejects(askIdentity(asking(INFO, "OK")), ProtocolError);
});

test("a connection is not used on which something else answers the question to end a lost one", async () => {
  const handshake = (killed: Reply) => asking("OK", "PONG", [null], INFO, 7, "OK", "OK", killed);
  const ended = [{ clientId: 3, runId: "this" }];
  assert.equal((await shakeHands(handshake(1), LOGIN, "1", ended)).clientId, 7);
  assert.equal((await shakeHands(handshake(new ErrorReply("NOPERM no")), LOGIN, "1", ended)).clientId, 7);
  for (const reply of [Buffer.from("a value"), "OK", [1]]) {
    await assert.rejects(shakeHands(handshake(reply), LOGIN, "1", ended), ProtocolError);
  }
});
