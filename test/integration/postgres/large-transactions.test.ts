import assert from "node:assert/strict";
import { test } from "node:test";
import { createPostgresDriver } from "../../../src/backends/postgres/postgres-driver.js";
import { parsePostgresUrl } from "../../../src/config/postgres-url.js";
import { createEngine, type Engine, type EngineOptions } from "../../../src/index.js";
import { nothingEscapes, settled } from "../../support/outcomes.js";
import { onPostgres, type TestScope } from "../../support/stores.js";

const MAX_SENT_BYTES = 1 << 20;
const VALUE = Buffer.alloc(100_000, 7);

await onPostgres("transactions that are too large for the server", (store, server) => {
  async function open(t: TestScope): Promise<Engine> {
    nothingEscapes(t);
    const { keyPrefix } = await store.place(t);
    const driver = createPostgresDriver({
      address: parsePostgresUrl(server.url),
      retry: { baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 },
      maxSentBytes: MAX_SENT_BYTES,
    });
    const options = { keyPrefix, compression: { codec: "none" as const }, batching: { maxBytes: 1 << 24 } };
    const engine = await createEngine({ ...options, backend: driver } as unknown as EngineOptions);
    t.after(() => engine.close());
    return engine;
  }

  const puts = (name: string, count: number) =>
    Array.from({ length: count }, (_, index) => ({ type: "put" as const, key: `${name}${index}`, value: VALUE }));

  test("a transaction that is more than the server takes is refused, and nothing that was called with it", async (t) => {
    const engine = await open(t);
    for (const count of [11, 200]) {
      const together = await Promise.all(
        [
          engine.setIfNotExists(`first ${count}`, "1"),
          engine.transaction(puts("small", 9)),
          engine.transaction(puts("large", count)),
          engine.increment("last"),
          engine.put("beside", "1"),
        ].map((call) => settled<unknown>(call)),
      );
      const failed = together.map((ending) => (ending.ok ? null : ending.error));
      assert.deepEqual([failed[0], failed[1], failed[3], failed[4]], [null, null, null, null]);
      const { code, reason, outcome, retryable, operation } = failed[2]!;
      assert.deepEqual(
        [code, reason, outcome, retryable, operation],
        ["INVALID_ARGUMENT", "ERR_BATCH_TOO_LARGE", "not-applied", false, "transaction"],
      );
      assert.deepEqual(await engine.listKeys("large"), []);
      assert.equal((await engine.listKeys("small")).length, 9);
    }
    assert.equal(String(await engine.get("last")), "2");
  });

  test("a transaction whose keys alone are more than the server takes is refused", async (t) => {
    const engine = await open(t);
    const keys = Array.from({ length: 1000 }, (_, index) => `${index}:`.padEnd(2000, "x"));
    const ending = await settled(engine.transaction(keys.map((key) => ({ type: "delete" as const, key }))));
    assert.ok(!ending.ok);
    assert.deepEqual([ending.error.reason, ending.error.outcome], ["ERR_BATCH_TOO_LARGE", "not-applied"]);
    assert.equal(await engine.increment("n"), 1n);
  });
});
