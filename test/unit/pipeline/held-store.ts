import type { Batch } from "../../../src/backends/batch.js";
import type { Capabilities, Driver } from "../../../src/backends/contract.js";
import { Kind, OPERATION_NAMES, Request } from "../../../src/backends/request.js";
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

/** A pipeline over a store that answers when it is told to. */
export function heldStore(wishes: Partial<Capabilities>, options: { readonly lingerMs?: number } = {}) {
  const loop = new VirtualLoop();
  const sent: Batch[] = [];
  const driver = {
    name: "held",
    capabilities: { maxInFlight: 8, expiry: true, transactions: true, ...wishes },
    execute: (batch: Batch) => void sent.push(batch),
  } as unknown as Driver;
  const pipeline = new Pipeline(driver, { ...OPTIONS, ...options }, undefined, loop);
  let keys = 0;
  const submit = (
    resolve: (result: unknown) => void,
    reject: (error: unknown) => void = () => {},
    kind: Kind = Kind.get,
    key = `key ${keys++}`,
  ): void => {
    const value = kind === Kind.put ? "value" : undefined;
    const request = new Request(kind, key, value, 0, undefined, pipeline.nowUs(), 60_000);
    request.resolve = resolve;
    request.reject = reject;
    pipeline.submit(request);
  };
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const scene = {
    ...{ loop, sent, pipeline },
    onAnswer: (_key: string): void => {},
    onFailure: (_key: string): void => {},
    /** So many calls in one go. */
    call: async (operations: number): Promise<void> => {
      for (let i = 0; i < operations; i++) {
        const key = `key ${keys}`;
        submit(
          () => scene.onAnswer(key),
          () => scene.onFailure(key),
        );
      }
      await turns();
    },
    /** Calls of these keys in one go, such as `get a` or `put b`. */
    calls: async (...calls: `${"get" | "put" | "delete" | "contains"} ${string}`[]): Promise<void> => {
      for (const call of calls) {
        const [name, key] = call.split(" ") as ["get" | "put" | "delete" | "contains", string];
        submit(
          () => scene.onAnswer(key),
          () => scene.onFailure(key),
          Kind[name],
          key,
        );
      }
      await turns();
    },
    /** What was sent, as `calls` has it. */
    contents: (): string[][] =>
      sent.map((batch) => batch.leaders().map(({ kind, key }) => `${OPERATION_NAMES[kind]} ${key}`)),
    /** One call and, when it is answered, so many in one go. */
    callAgain: async (operations = 1): Promise<void> => {
      await new Promise((resolve) => submit(resolve));
      for (let i = 0; i < operations; i++) submit(() => {});
    },
    answer: async (batch: Batch): Promise<void> => {
      batch.forEachLeader((leader) => batch.succeed(leader, null));
      batch.complete();
      await turns();
    },
    sizes: (): number[] => sent.map(({ size }) => size),
  };
  return scene;
}
