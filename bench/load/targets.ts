import { createEngine, type Engine } from "../../src/index.js";
import { collectYoungGarbage } from "../lib/garbage.js";
import { LatencyRecorder } from "../lib/latency-recorder.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import type { MillracePeer } from "../peers/millrace.js";
import { runClosedLoop } from "./closed-loop.js";
import { type Inputs, keyOf, SEQUENCE_LENGTH } from "./inputs.js";
import { measureOfferedLoad } from "./offered-load.js";
import { makeValues } from "./records.js";
import { bindOperation, type Operation } from "./workload.js";

const WARM_UP_MS = 200;

export interface TargetInputs {
  readonly small: Inputs;
  readonly json: Inputs;
}

export interface TargetOptions {
  readonly roundMs: number;
  readonly progress: (text: string) => void;
}

interface Figures {
  readonly opsPerSec: number;
  readonly meanMs: number;
  readonly p99Ms: number;
}

/** The published figures that a store client of this kind is held to, each measured here and now. */
export async function measureTargets(
  peer: MillracePeer,
  inputs: TargetInputs,
  options: TargetOptions,
): Promise<{ targets: Target[]; comparisons: Comparison[] }> {
  const { engine } = peer;
  const step = (id: string): void => {
    options.progress(`target ${id}`);
    collectYoungGarbage();
  };
  const single = async (input: Inputs, inFlight: number): Promise<Figures> =>
    worse(await singles("put", peer, input, inFlight, options), await singles("get", peer, input, inFlight, options));
  const batch = async (size: number): Promise<Figures> =>
    worse(
      await batches(putBatch(engine, inputs.small, size), size, options),
      await batches(getBatch(engine, inputs.small, size), size, options),
    );

  step("T1");
  const sequential = await single(inputs.small, 1);
  step("T2");
  const hundred = await batch(100);
  const thousand = await batch(1000);
  step("T3");
  const pipelined = await single(inputs.small, 1000);
  step("T4");
  const offered = await measureOfferedLoad(bindOperation("mixed", peer, inputs.small), options.roundMs);
  step("T5");
  const loaded = await single(inputs.small, 100);
  const compressed = await single(inputs.json, 100);
  step("T8");
  const ratios = await compressionRatios();

  const targets: Target[] = [];
  const add = (
    id: string,
    source: string,
    title: string,
    bound: Target["bound"],
    [goal, unit, measured]: readonly [number, string, number],
    note?: string,
  ): void => {
    targets.push(judge({ id, title, source, goal, bound, unit, measured, ...(note === undefined ? {} : { note }) }));
  };
  add("T1", "B", "single operations, one after the other", "at least", [10_000, "ops/s", sequential.opsPerSec]);
  add("T2", "B", "batches of 100, one after the other", "at least", [100_000, "ops/s", hundred.opsPerSec]);
  add("T3", "B", "single operations, 1000 in flight", "at least", [200_000, "ops/s", pipelined.opsPerSec]);
  targets.push(offered.target);
  add("T5", "C", "mean get or put, 100 in flight", "at most", [1, "ms", Math.max(sequential.meanMs, loaded.meanMs)]);
  add("T5-lz4", "C", "mean get or put of 1 KiB with LZ4, 100 in flight", "below", [2, "ms", compressed.meanMs]);
  add("T6", "B, C", "batch of 100, p99", "at most", [5, "ms", hundred.p99Ms]);
  add("T6-1000", "B, C", "batch of 1000, p99", "below", [100, "ms", thousand.p99Ms]);
  const gain = thousand.opsPerSec / sequential.opsPerSec;
  add("T7", "C", "batches of 1000 against one by one", "at least", [10, "x", gain]);
  for (const [codec, goal] of [
    ["lz4", 2],
    ["snappy", 2],
    ["zstd", 3],
  ] as const) {
    add(`T8-${codec}`, "C", `compression of 1 KiB records, ${codec}`, "at least", [goal, "x", ratios[codec]]);
  }
  return { targets, comparisons: [offered.comparison] };
}

function worse(a: Figures, b: Figures): Figures {
  return {
    opsPerSec: Math.min(a.opsPerSec, b.opsPerSec),
    meanMs: Math.max(a.meanMs, b.meanMs),
    p99Ms: Math.max(a.p99Ms, b.p99Ms),
  };
}

async function loop(
  issue: () => Promise<unknown>,
  inFlight: number,
  perCall: number,
  roundMs: number,
): Promise<Figures> {
  await runClosedLoop({ issue, inFlight, durationMs: WARM_UP_MS });
  const recorder = new LatencyRecorder();
  const result = await runClosedLoop({ issue, inFlight, durationMs: roundMs, recorder });
  if (result.errors > 0) throw new Error(`${result.errors} operations failed while the targets were measured`);
  const { meanUs, p99Us } = recorder.summary();
  return { opsPerSec: result.opsPerSec * perCall, meanMs: meanUs / 1000, p99Ms: p99Us / 1000 };
}

function singles(
  operation: Operation,
  peer: MillracePeer,
  inputs: Inputs,
  inFlight: number,
  options: TargetOptions,
): Promise<Figures> {
  return loop(bindOperation(operation, peer, inputs), inFlight, 1, options.roundMs);
}

function batches(issue: () => Promise<unknown>, size: number, options: TargetOptions): Promise<Figures> {
  return loop(issue, 1, size, options.roundMs);
}

/** Windows of so many keys over the sequence, another one in each call. */
function windows(inputs: Inputs, size: number): () => readonly string[] {
  const count = Math.floor(SEQUENCE_LENGTH / size);
  let next = -1;
  return () => {
    next = (next + 1) % count;
    return Array.from(inputs.indices.subarray(next * size, (next + 1) * size), (index) => keyOf(inputs.space, index));
  };
}

function putBatch(engine: Engine, inputs: Inputs, size: number): () => Promise<unknown> {
  const nextKeys = windows(inputs, size);
  let value = 0;
  return () =>
    engine.batchPut(
      nextKeys().map((key) => {
        value = (value + 1) % inputs.values.length;
        return [key, inputs.values[value]!] as const;
      }),
    );
}

function getBatch(engine: Engine, inputs: Inputs, size: number): () => Promise<unknown> {
  const nextKeys = windows(inputs, size);
  return async () => ((await engine.batchGet(nextKeys())).includes(null) ? null : true);
}

export async function compressionRatios(): Promise<Record<"lz4" | "snappy" | "zstd", number>> {
  const records = makeValues(seededRandom(8), "1KiB", 500);
  const ratio = async (codec: "lz4" | "snappy" | "zstd"): Promise<number> => {
    const engine = await createEngine({ backend: "memory:", compression: { codec } });
    try {
      await engine.batchPut(records.map((record, index) => [`record:${index}`, record] as const));
      const { bytesBeforeCompression, bytesAfterCompression } = engine.stats();
      return bytesBeforeCompression / bytesAfterCompression;
    } finally {
      await engine.close();
    }
  };
  return { lz4: await ratio("lz4"), snappy: await ratio("snappy"), zstd: await ratio("zstd") };
}
