import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Envelope } from "../../src/codec/envelope.js";
import { crc32 } from "../../src/core/crc32.js";
import { createEngine, type Engine, StateError } from "../../src/index.js";
import { type FaultProxy, startFaultProxy, startRedis } from "../../src/testing/index.js";
import { redisIsThere } from "../support/stores.js";

/** The stored form of another key's value, as a reply. */
function neighboursValue(): Buffer {
  const codec = new Envelope({
    checksum: "crc32",
    compressor: undefined,
    thresholdBytes: 1024,
    decompressors: [],
    maxValueBytes: 1024,
  });
  const frame = codec.encode(crc32(Buffer.from("state:neighbour")), "the neighbour's");
  return Buffer.concat([Buffer.from(`$${frame.length}\r\n`), frame, Buffer.from("\r\n")]);
}

async function scene(t: TestContext): Promise<{ engine: Engine; proxy: FaultProxy }> {
  const server = await startRedis();
  const proxy = await startFaultProxy(server.port);
  const engine = await createEngine({ backend: `redis://127.0.0.1:${proxy.port}` });
  t.after(async () => {
    await engine.close();
    await proxy.close();
    await server.stop();
  });
  return { engine, proxy };
}

if (await redisIsThere("replies too many")) {
  test("a write that is answered by a neighbour's value has an unknown outcome, and nothing after it shifts", async (t) => {
    const { engine, proxy } = await scene(t);
    const writes: Record<string, () => Promise<unknown>> = {
      compareAndSwap: () => engine.compareAndSwap("key", "before", "after"),
      getAndDelete: () => engine.getAndDelete("key"),
      setIfNotExists: () => engine.setIfNotExists("absent", "after"),
      increment: () => engine.increment("counter"),
      delete: () => engine.delete("key"),
    };
    for (const [name, write] of Object.entries(writes)) {
      await engine.put("key", "before");
      await engine.delete("absent");
      const { happened } = await proxy.arm({ kind: "extra-reply", bytes: neighboursValue() });
      await assert.rejects(write(), (error: unknown) => {
        assert.ok(error instanceof StateError);
        assert.equal(error.outcome, "unknown", `${name}: ${error.message}`);
        return true;
      });
      assert.equal(await happened, true);
      assert.equal(await engine.contains("never put"), false);
      assert.equal(await engine.compareAndSwap("never put", "1", "2"), false);
    }
  });

  test("reads that a neighbour's value answers give their own value or fail", async (t) => {
    const { engine, proxy } = await scene(t);
    await engine.put("key", "own", { ttlMs: 60_000 });
    const reads = [
      async () => assert.equal(String(await engine.get("key")), "own"),
      async () => assert.ok((await engine.ttl("key"))! > 50_000),
      async () => assert.equal(await engine.contains("key"), true),
    ];
    for (const read of reads) {
      const { happened } = await proxy.arm({ kind: "extra-reply", bytes: neighboursValue() });
      await read().catch((error: unknown) => {
        assert.ok(error instanceof StateError, String(error));
        assert.equal(error.outcome, "not-applied");
      });
      assert.equal(await happened, true);
      await read();
    }
  });

  test("work on many keys that a neighbour's value answers fails, or says what is so", async (t) => {
    const { engine, proxy } = await scene(t);
    const keys = Array.from({ length: 1200 }, (_, index) => `key ${index}`);
    const calls: readonly [string, () => Promise<unknown>, (answer: unknown) => void][] = [
      ["clear", () => engine.clear(), (answer) => assert.equal(answer, keys.length)],
      ["count", () => engine.count(), (answer) => assert.equal(answer, keys.length)],
      ["listKeys", () => engine.listKeys(), (answer) => assert.equal((answer as string[]).length, keys.length)],
      [
        "serverInfo",
        () => engine.serverInfo(),
        (answer) => assert.ok((answer as Record<string, string>).redis_version),
      ],
    ];
    let failed = 0;
    for (let round = 0; round < 12; round++) {
      for (const [name, call, check] of calls) {
        await engine.batchPut(keys.map((key) => [key, "1"] as const));
        const ending = call().then(check, (error: unknown) => {
          assert.ok(error instanceof StateError, String(error));
          assert.equal(error.operation, name);
          failed++;
        });
        // Into another reply each time.
        for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
        await proxy.arm({ kind: "extra-reply", bytes: neighboursValue() });
        await ending;
        await engine.get("key 0").catch(() => {});
      }
    }
    assert.ok(failed > 0);
    assert.equal(await engine.count("key 1"), (await engine.listKeys("key 1")).length);
  });
}
