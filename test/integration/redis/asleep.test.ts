import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { openConnections } from "../../support/connections.js";
import { failureOf, settled } from "../../support/outcomes.js";
import { until } from "../../support/until.js";
import { openScene } from "../../support/wire-scene.js";

test("what a further connection met is forgotten when none is needed any more", async (t) => {
  const { server, engine } = await openScene(
    t,
    {},
    {
      pool: { min: 0, max: 3, idleMs: 100 },
      batching: { maxSize: 1 },
      timeouts: { operationMs: 30_000, connectMs: 30_000 },
    },
  );
  const waiting: Socket[] = [];
  let refusals = 0;
  server.intercept = ([name], socket) => {
    if (name === "HELLO") {
      refusals++;
      return "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    }
    if (name !== "MGET") return undefined;
    waiting.push(socket);
    return "silence";
  };
  const reads = Array.from({ length: 4 }, (_, i) => settled(engine.get(`key ${i}`)));
  await until("a further connection was refused", () => refusals > 0 && waiting.length === 4);
  for (const socket of waiting) socket.write("*1\r\n_\r\n");
  for (const read of await Promise.all(reads)) assert.ok(read.ok);
  await until("it sleeps", () => openConnections(engine) === 0 && server.open === 0);
  // Connecting takes its time now, and that is all that is known.
  server.intercept = () => "silence";
  const error = await failureOf(engine.get("a", { timeoutMs: 50 }));
  assert.deepEqual([error.code, error.cause], ["TIMEOUT", undefined]);
});
