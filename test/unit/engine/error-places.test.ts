import assert from "node:assert/strict";
import { test } from "node:test";
import { BackendError, type StateError } from "../../../src/core/errors.js";
import { createEngine } from "../../../src/index.js";
import { HandDriver, succeedAll } from "../pipeline/hand-driver.js";

async function errorOf(call: Promise<unknown>): Promise<StateError> {
  let found: StateError | undefined;
  await assert.rejects(call, (error: StateError) => {
    found = error;
    return true;
  });
  return found!;
}

const answering = (): HandDriver => new HandDriver(succeedAll);

test("a call with many keys fails under its plain name and says how many of them did", async () => {
  const hand = new HandDriver((batch) => {
    batch.forEachLeader((leader) => {
      const error = new BackendError("WRONGTYPE", { key: leader.key, backend: "hand", reason: "WRONGTYPE" });
      if (leader.key === "b") batch.fail(leader, error);
      else batch.succeed(leader, null);
    });
    batch.complete();
  });
  const engine = await createEngine({ backend: hand.driver });
  const error = await errorOf(engine.batchGet(["a", "b", "c"]));
  assert.deepEqual([error.operation, error.key, error.backend], ["batchGet", "b", "hand"]);
  assert.equal(error.message, 'batchGet "b" on hand: 1 of 3 keys failed, the first of them: WRONGTYPE');
  await engine.close();
});

test("an entry that is refused is named by its place and its key, once", async () => {
  const engine = await createEngine({ backend: answering().driver });
  const entries = [
    ["a", "1"],
    ["b", null as never],
  ] as const;
  const error = await errorOf(engine.batchPut(entries));
  assert.equal(error.key, "b");
  assert.equal(
    error.message,
    'batchPut "b" on hand: entry 1 was refused, nothing was sent: the value must be a string, Buffer or Uint8Array; got null',
  );
  await engine.close();
});

test("a closed engine names the key of the call", async () => {
  for (const options of [{}, { cache: { maxBytes: 1 << 20, ttlMs: 1000 } }]) {
    const engine = await createEngine({ backend: answering().driver, ...options });
    await engine.close();
    for (const call of [engine.get("k"), engine.put("k", "v"), engine.contains("k"), engine.increment("k")]) {
      const error = await errorOf(call);
      assert.deepEqual([error.code, error.key], ["CLOSED", "k"]);
    }
    assert.equal((await errorOf(engine.transaction([{ type: "delete", key: "k" }]))).key, undefined);
  }
});

test("a key that is too long is shown in its beginning", async () => {
  const engine = await createEngine({ backend: answering().driver });
  for (const key of ["k".repeat(5000), Buffer.alloc(5000, "k"), Buffer.alloc(4097, "k")]) {
    const error = await errorOf(engine.get(key));
    assert.deepEqual([error.reason, error.key], ["ERR_KEY_TOO_LONG", `${"k".repeat(64)}…`]);
  }
  await engine.close();
});

test("what a store does not offer is refused with the key and a reason", async () => {
  const engine = await createEngine({ backend: answering().driver });
  const error = await errorOf(engine.getWithMetadata("k"));
  assert.deepEqual([error.code, error.reason, error.key], ["UNSUPPORTED", "ERR_UNSUPPORTED_OPERATION", "k"]);
  await engine.close();
});

test("an engine that does not open says so under the name of its call", async () => {
  for (const [input, backend] of [
    ["redis://127.0.0.1:1", "redis"],
    [{ batching: { maxSize: 0 } }, undefined],
    ["redis+cluster://127.0.0.1:1", "redis-cluster"],
  ] as const) {
    const error = await errorOf(createEngine(input));
    assert.deepEqual([error.operation, error.backend], ["createEngine", backend], error.message);
  }
});
