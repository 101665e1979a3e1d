import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../../src/index.js";
import { failureOf } from "../support/outcomes.js";
import { RespServer } from "../support/resp-server.js";

test("writes that the server refused are sent again once, also when the connection breaks behind the refusal", async (t) => {
  const server = await RespServer.start();
  const engine = await createEngine({
    backend: server.url,
    retry: { retries: 3, baseDelayMs: 50, maxDelayMs: 50, jitter: 0 },
  });
  t.after(async () => {
    await engine.close();
    await server.close();
  });
  let isLoading = true;
  server.intercept = ([name]) => {
    if (!isLoading) return undefined;
    if (name === "MSET") return "-LOADING the data is being loaded\r\n";
    if (name !== "EVAL") return undefined;
    isLoading = false;
    setImmediate(() => server.dropAll());
    return "silence";
  };
  const puts = [engine.put("a", "1"), engine.put("b", "2")];
  const increment = failureOf(engine.increment("n"));
  await Promise.all(puts);
  assert.equal((await increment).outcome, "unknown");
  assert.equal(String(await engine.get("a")), "1");
  assert.deepEqual(server.names, ["MSET", "EVAL", "MSET", "MGET"]);
});
