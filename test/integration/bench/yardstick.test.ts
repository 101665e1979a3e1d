import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RedisBenchmark } from "../../../bench/peers/redis-benchmark.js";
import { findOnPath, startTlsRedis } from "../../../src/testing/index.js";

const PROGRAMS = ["redis-benchmark", "valkey-benchmark"];

describe("redis-benchmark beside the clients", async () => {
  const skip = (await findOnPath(PROGRAMS)) === null ? `none of ${PROGRAMS.join(", ")} is on the PATH` : false;

  test("speaks TLS to a server whose authority Node.js was told of, and is refused by others", { skip }, async (t) => {
    const server = await startTlsRedis();
    const before = process.env.NODE_EXTRA_CA_CERTS;
    t.after(() => {
      if (before === undefined) delete process.env.NODE_EXTRA_CA_CERTS;
      else process.env.NODE_EXTRA_CA_CERTS = before;
      return server.stop();
    });
    const yardstick = await RedisBenchmark.find(server.url);
    delete process.env.NODE_EXTRA_CA_CERTS;
    assert.match((await yardstick!.refusal()) ?? "", /certificate/);
    process.env.NODE_EXTRA_CA_CERTS = server.certificates.caFile;
    assert.equal(await yardstick!.refusal(), null);
    const { opsPerSec } = await yardstick!.run({ words: ["GET", "a"], keys: 1 }, 1000);
    assert.ok(opsPerSec > 0);
  });

  test("is not asked beforehand where there is no TLS", { skip }, async () => {
    const yardstick = await RedisBenchmark.find("redis://127.0.0.1:1");
    assert.equal(await yardstick!.refusal(), null);
  });
});
