import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../../src/index.js";
import { startRedis } from "../../../src/testing/index.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { redisIsThere, type TestScope } from "../../support/stores.js";
import { openScene } from "../../support/wire-scene.js";

/** An engine whose user may not give one of the commands that the increments' script gives. */
async function openEngine(t: TestScope, refused: string): Promise<{ readonly admin: Redis; readonly engine: Engine }> {
  nothingEscapes(t);
  const server = await startRedis();
  t.after(() => server.stop());
  const admin = new Redis(server.url);
  t.after(() => admin.disconnect());
  await admin.acl("SETUSER", "app", "on", ">pw", "~*", "+@all", `-${refused}`);
  const backend = `redis://app:pw@127.0.0.1:${server.port}`;
  const engine = await createEngine({ backend, keyPrefix: "", timeouts: { operationMs: 20_000 } });
  t.after(() => engine.close());
  return { admin, engine };
}

if (await redisIsThere("increments that share a script")) {
  test("one for whose number the user lacks a command fails alone, and those around it are done", async (t) => {
    const { admin, engine } = await openEngine(t, "set");
    await engine.put("put", "5");
    const keys = ["a", "put", "c", "a"];
    const endings = await Promise.all(keys.map((key) => settled(engine.increment(key))));
    assert.deepEqual(
      endings.map((ending) => (ending.ok ? ending.value : [ending.error.code, ending.error.outcome])),
      [1n, ["BACKEND", "not-applied"], 1n, 2n],
    );
    assert.deepEqual(await admin.mget("a", "c"), ["2", "1"]);
    assert.equal(String(await engine.get("put")), "5");
  });

  test("a sum that was reached and cannot be read is unknown, not unapplied", async (t) => {
    const { admin, engine } = await openEngine(t, "get");
    await admin.set("large", "9007199254740992");
    const endings = await Promise.all(["a", "large", "c"].map((key) => settled(engine.increment(key))));
    assert.deepEqual(
      endings.map((ending) => (ending.ok ? ending.value : ending.error.outcome)),
      [1n, "unknown", 1n],
    );
    assert.deepEqual(await admin.mget("a", "large", "c"), ["1", "9007199254740993", "1"]);
  });
}

const BREAKS_OFF = {
  "Redis 7": "-ERR not enough memory script: 6bd2c1d0a5a1a0b0c4d7a9ab6e1f1ff4e3f8d1c2, on @user_script:30.\r\n",
  "Redis 6": "-ERR Error running script (call to f_6bd2c1d0): not enough memory\r\n",
};
for (const [release, reply] of Object.entries(BREAKS_OFF)) {
  test(`where the script itself broke off, as ${release} says, nobody knows how far it came`, async (t) => {
    const { server, engine } = await openScene(t);
    server.intercept = ([name]) => (name === "EVAL" ? reply : undefined);
    for (const error of await Promise.all(["a", "b"].map((key) => failureOf(engine.increment(key)))))
      assert.deepEqual([error.code, error.outcome, error.retryable], ["BACKEND", "unknown", false]);
  });
}

for (const reply of ["-BUSY Redis is busy running a script. You can only call SCRIPT KILL.\r\n", "-OOM full\r\n"]) {
  test(`where it was refused, nothing was added: ${reply.slice(1, 5)}`, async (t) => {
    const { server, engine } = await openScene(t);
    server.intercept = ([name]) => (name === "EVAL" ? reply : undefined);
    for (const error of await Promise.all(["a", "b"].map((key) => failureOf(engine.increment(key)))))
      assert.equal(error.outcome, "not-applied");
  });
}
