import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { createEngine } from "../../../src/index.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { RespServer } from "../../support/resp-server.js";
import { until } from "../../support/until.js";

/** No retry option may turn a server that is away into a busy loop of connecting. */
for (const retry of [{ baseDelayMs: 0 }, { baseDelayMs: 0, maxDelayMs: 0 }, { jitter: 1 }]) {
  test(`a server that is away is not asked without a pause, with ${JSON.stringify(retry)}`, async (t) => {
    nothingEscapes(t);
    const server = await RespServer.start();
    const engine = await createEngine({ backend: server.url, retry, pool: { min: 1, max: 1 } });
    t.after(() => engine.close());
    await engine.put("a", "1");
    await server.close();
    // Whoever connects is sent away at once.
    const attemptsAtMs: number[] = [];
    const door = createServer((socket) => {
      attemptsAtMs.push(performance.now());
      socket.resetAndDestroy();
    });
    await new Promise<void>((resolve) => door.listen(server.port, "127.0.0.1", resolve));
    t.after(() => door.close());
    await until("it was asked again and again", () => attemptsAtMs.length > 6);
    const [first, last] = [attemptsAtMs[1]!, attemptsAtMs[6]!];
    assert.ok(last - first >= 5 * 9, `five attempts within ${last - first} ms`);
  });
}
