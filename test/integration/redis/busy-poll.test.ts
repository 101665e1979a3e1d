import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { polledMs } from "../../../src/core/busy-poll.js";
import { createEngine } from "../../../src/index.js";
import { onRedis } from "../../support/stores.js";

await onRedis("awake for answers", (_store, server) => {
  /** @returns the milliseconds that this thread stayed awake for so many gets, one after the other, or until it did */
  async function polledFor(gets: number, busyPollMs: number | undefined, most = gets): Promise<number> {
    const engine = await createEngine({
      backend: server.url,
      pool: busyPollMs === undefined ? {} : { busyPollMs },
    });
    const before = polledMs();
    for (let i = 0; i < gets || (i < most && polledMs() === before); i++) await engine.get("key");
    await engine.close();
    return polledMs() - before;
  }

  test("calls one after the other are waited for awake, at least where that is tried", async () => {
    // Turns that take long, as those of a busy machine do, count as work: few waits may show none that was empty.
    if (availableParallelism() > 1) assert.ok((await polledFor(500, undefined, 50_000)) > 0);
    else assert.equal(await polledFor(500, undefined), 0);
  });

  test("with busyPollMs 0 this thread sleeps", async () => {
    assert.equal(await polledFor(500, 0), 0);
  });
});
