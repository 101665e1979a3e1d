import type { Batch } from "../../../src/backends/batch.js";
import type { Capabilities, Driver } from "../../../src/backends/contract.js";
import { Kind, Request } from "../../../src/backends/request.js";
import { Pipeline } from "../../../src/pipeline/pipeline.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

export const MAX_SIZE = 40;
const OPTIONS = {
  ...{ maxSize: MAX_SIZE, maxBytes: 1 << 20, maxInFlight: 8, lingerMs: 0, maxPending: 100_000 },
  ...{
    overflow: "wait" as const,
    operationMs: 60_000,
    retry: { retries: 0, baseDelayMs: 1, maxDelayMs: 1, jitter: 0 },
  },
  circuitBreaker: false as const,
};

/** A pipeline over a store that answers when it is told to. `call` makes so many calls in one turn. */
export function heldStore(wishes: Partial<Capabilities>) {
  const loop = new VirtualLoop();
  const sent: Batch[] = [];
  const driver = {
    name: "held",
    capabilities: { maxInFlight: 8, expiry: true, transactions: true, ...wishes },
    execute: (batch: Batch) => void sent.push(batch),
  } as unknown as Driver;
  const pipeline = new Pipeline(driver, OPTIONS, undefined, loop);
  let keys = 0;
  const call = async (operations: number): Promise<void> => {
    for (let i = 0; i < operations; i++) {
      const request = new Request(Kind.get, `key ${keys++}`, undefined, 0, undefined, pipeline.nowUs(), 60_000);
      request.resolve = () => {};
      pipeline.submit(request);
    }
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const answer = async (batch: Batch): Promise<void> => {
    batch.forEachLeader((leader) => batch.succeed(leader, null));
    batch.complete();
    await call(0);
  };
  return { loop, sent, call, answer, sizes: () => sent.map(({ size }) => size) };
}
