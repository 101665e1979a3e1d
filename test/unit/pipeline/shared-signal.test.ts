import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import type { Driver } from "../../../src/backends/contract.js";
import { Kind, Request } from "../../../src/backends/request.js";
import { Pipeline } from "../../../src/pipeline/pipeline.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

const OPTIONS = {
  ...{ maxSize: 4, maxBytes: 1 << 20, maxInFlight: 8, lingerMs: 0, maxPending: 100_000, overflow: "wait" as const },
  ...{ operationMs: 60_000, retry: { retries: 0, baseDelayMs: 1, maxDelayMs: 1, jitter: 0 } },
  circuitBreaker: false as const,
};

test("of the requests that share a signal its abort ends those, and only those, that have no answer yet", async () => {
  const sent: Batch[] = [];
  const driver = {
    name: "held",
    capabilities: { maxInFlight: 8, expiry: true, transactions: true },
    execute: (batch: Batch) => void sent.push(batch),
  } as unknown as Driver;
  const pipeline = new Pipeline(driver, OPTIONS, undefined, new VirtualLoop());
  const controller = new AbortController();
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const endings: string[] = [];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 12; i++) {
      const name = `${round}.${i}`;
      const request = new Request(Kind.get, name, undefined, 0, undefined, pipeline.nowUs(), 60_000);
      request.signal = controller.signal;
      request.resolve = () => endings.push(`${name} answered`);
      request.reject = (error) => endings.push(`${name} ${(error as { code?: string }).code}`);
      pipeline.submit(request);
    }
    await turn();
    // Two of three batches are answered, the middle one is not.
    for (const batch of sent.splice(0).filter((_, index) => index !== 1)) {
      batch.forEachLeader((leader) => batch.succeed(leader, null));
      batch.complete();
    }
    await turn();
  }
  controller.abort();
  const names = Array.from({ length: 36 }, (_, i) => [Math.floor(i / 12), i % 12] as const);
  const expected = names.map(([round, i]) => `${round}.${i} ${i >= 4 && i < 8 ? "ABORTED" : "answered"}`);
  assert.deepEqual([...endings].sort(), [...expected].sort());
});
