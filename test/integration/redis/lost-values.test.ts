import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { losing } from "../../support/lost-memory.js";
import { failureOf } from "../../support/outcomes.js";
import { until } from "../../support/until.js";
import { openScene } from "../../support/wire-scene.js";

test(`a compareAndSwap whose expected value was transferred between its two steps changes nothing, and nothing else fails`, async (t) => {
  const { server, engine } = await openScene(t);
  const value = losing(64);
  // In the form that is compared here, a compressed one say: the second step would name it.
  let asked = 0;
  server.intercept = ([name]) => {
    if (name !== "EVAL") return undefined;
    asked++;
    value.lose();
    return `*1\r\n$3\r\nold\r\n`;
  };
  const swap = failureOf(engine.compareAndSwap("a", value.bytes, "new"));
  const read = engine.get("b");
  const { reason, outcome } = await swap;
  assert.deepEqual([reason, outcome, asked], ["ERR_VALUE_UNSTABLE", "not-applied", 1]);
  assert.equal(await read, null);
  assert.equal(server.connections, 1);
});

test(`a put without an answer whose value was transferred is given up at its deadline like any other, with those behind it`, async (t) => {
  const { server, engine } = await openScene(t);
  await engine.get("a");
  server.intercept = ([name]) => (name === "MSET" ? "" : undefined);
  const value = losing(64);
  const put = failureOf(engine.put("a", value.bytes, { timeoutMs: 100 }));
  const got = failureOf(engine.get("a", { timeoutMs: 150 }));
  await until("it was sent", () => server.names.includes("MSET"));
  value.lose();
  await turn();
  assert.deepEqual([(await put).code, (await put).outcome], ["TIMEOUT", "unknown"]);
  assert.equal((await got).code, "TIMEOUT");
});

test("a batch of nothing but values that were transferred leaves nothing under way", async (t) => {
  const { server, engine } = await openScene(t);
  await engine.get("a");
  const values = [losing(64), losing(64)];
  const puts = values.map((value, index) => failureOf(engine.put(`key ${index}`, value.bytes)));
  for (const value of values) value.lose();
  for (const { reason } of await Promise.all(puts)) assert.equal(reason, "ERR_VALUE_UNSTABLE");
  assert.equal(engine.stats().inFlightBatches, 0);
  assert.deepEqual(server.names, ["MGET"]);
});
