import { createEngine, type Engine } from "../../src/index.js";
import { collectYoungGarbage } from "../lib/garbage.js";
import { keyAt } from "../lib/key-text.js";
import { LatencyRecorder } from "../lib/latency-recorder.js";
import type { OrderHandlers } from "../lib/order-protocol.js";
import { serveOrders } from "../lib/serve-orders.js";
import { runClosedLoop } from "../load/closed-loop.js";
import { type Inputs, KEY_PREFIX, makeInputs, SEQUENCE_LENGTH } from "../load/inputs.js";
import type { SubjectOrders, SubjectStart, TierLoad } from "./subject-protocol.js";

/** Nothing is to end by time here. */
const TTL_MS = 3_600_000;

type Issue = () => Promise<unknown>;

/** Keys are put together for each read, as services do. */
function keysInOrder({ keyHead, indices }: Inputs): () => string {
  let cursor = -1;
  return () => {
    cursor = (cursor + 1) & (SEQUENCE_LENGTH - 1);
    return keyAt(keyHead, indices[cursor]!);
  };
}

function loadsOf(engine: Engine, inputs: Inputs): (load: TierLoad) => Issue {
  const nextKey = keysInOrder(inputs);
  const get: Issue = () => engine.get(nextKey());
  let values: Map<string, Buffer> | undefined;
  const bare = async (key: string): Promise<Buffer> => Buffer.from(values!.get(key)!);
  return (load) => {
    if (load === "get") return get;
    values ??= new Map(inputs.allKeys.map((key, index) => [key, Buffer.from(valueAt(inputs, index))]));
    return () => bare(nextKey());
  };
}

function valueAt({ values }: Inputs, index: number): string {
  return values[index % values.length]!;
}

function ordersOf(engine: Engine, inputs: Inputs): OrderHandlers<SubjectOrders> {
  const issueOf = loadsOf(engine, inputs);
  return {
    fill: async () => {
      await engine.batchPut(inputs.allKeys.map((key, index) => [key, valueAt(inputs, index)] as const));
      return null;
    },
    keep: async ({ count }) => {
      await engine.batchGet(inputs.allKeys.slice(0, count));
      return null;
    },
    round: ({ load, inFlight, durationMs }) => {
      collectYoungGarbage();
      return runClosedLoop({ issue: issueOf(load), inFlight, durationMs });
    },
    timed: async ({ inFlight, durationMs }) => {
      const recorder = new LatencyRecorder();
      const { errors } = await runClosedLoop({ issue: issueOf("get"), inFlight, durationMs, recorder });
      return { latencies: recorder.summary(), errors };
    },
    tier: async () => {
      const { hits, misses, entries, bytes } = engine.stats().cache!;
      return { hits, misses, entries, bytes };
    },
    clear: async () => {
      await engine.clear(`${KEY_PREFIX}${inputs.space}`);
      return null;
    },
    close: async () => {
      await engine.close();
      return null;
    },
  };
}

await serveOrders<SubjectOrders, object, SubjectStart>(async ({ url, shape, seed, cacheBytes }) => {
  const cache = cacheBytes === 0 ? false : { maxBytes: cacheBytes, ttlMs: TTL_MS };
  const engine = await createEngine({ backend: url, cache });
  return { ready: {}, orders: ordersOf(engine, makeInputs(shape, seed)) };
});
