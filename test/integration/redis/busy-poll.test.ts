import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { polledMs } from "../../../src/core/busy-poll.js";
import { createEngine } from "../../../src/index.js";
import { onRedis } from "../../support/stores.js";

await onRedis("awake for answers", (_store, server) => {
  /** @returns the milliseconds that this thread stayed awake for so many gets, one after the other */
  async function polledFor(gets: number, busyPollMs: number | undefined): Promise<number> {
    const engine = await createEngine({
      backend: server.url,
      pool: busyPollMs === undefined ? {} : { busyPollMs },
    });
    const before = polledMs();
    for (let i = 0; i < gets; i++) await engine.get("key");
    await engine.close();
    return polledMs() - before;
  }

  test("calls one after the other are waited for awake, at least where that is tried", async () => {
    const polled = await polledFor(500, undefined);
    if (availableParallelism() > 1) assert.ok(polled > 0);
    else assert.equal(polled, 0);
  });

  test("with busyPollMs 0 this thread sleeps", async () => {
    assert.equal(await polledFor(500, 0), 0);
  });
});
