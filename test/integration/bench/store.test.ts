import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { keyOf } from "../../../bench/load/inputs.js";
import { openStore } from "../../../bench/load/store.js";
import { createEngine, type EngineOptions } from "../../../src/index.js";
import { startRedis, temporaryFolder, usePostgres } from "../../../src/testing/index.js";

async function leftAfterARun(url: string, options: EngineOptions = {}): Promise<string[]> {
  const store = await openStore(url, options);
  const before = await createEngine({ ...options, backend: url });
  await before.batchPut([keyOf("a", 1), keyOf("a", 2), "mb:mine", "xmb:mine"].map((key) => [key, "v"] as const));
  await before.close();
  await store.close();
  const after = await createEngine({ ...options, backend: url });
  try {
    return (await after.listKeys()).sort();
  } finally {
    await after.close();
  }
}

describe("a store that was there before the bench", () => {
  test("LMDB keeps its own keys and none of the bench's", async (t) => {
    const folder = await temporaryFolder();
    t.after(() => folder.remove());
    assert.deepEqual(await leftAfterARun(`lmdb:${folder.path}`), ["mb:mine", "xmb:mine"]);
  });

  test("PostgreSQL keeps its own keys and none of the bench's", async (t) => {
    const server = await usePostgres();
    t.after(() => server.stop());
    assert.deepEqual(await leftAfterARun(server.url), ["mb:mine", "xmb:mine"]);
  });

  test("Redis keeps its own keys and none of the bench's, whatever stands before them", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    for (const keyPrefix of ["state:", "a*[b]?\\:", ""]) {
      assert.deepEqual(await leftAfterARun(server.url, { keyPrefix }), ["mb:mine", "xmb:mine"], keyPrefix);
      const other = await createEngine({ backend: server.url, keyPrefix });
      for (const key of await other.listKeys("")) await other.delete(key);
      await other.close();
    }
  });

  test("is named without its password although that has an @", async (t) => {
    const server = await startRedis({ args: ["--requirepass", "hun@ter2"] });
    t.after(() => server.stop());
    const store = await openStore(`redis://:hun@ter2@127.0.0.1:${server.port}`);
    await store.close();
    assert.equal(store.shown, `redis://127.0.0.1:${server.port}/0`);
  });
});
