import { createEngine, type Engine, type MeasuredLatency } from "../../src/index.js";
import { collectGarbage } from "../lib/garbage.js";
import { LatencyRecorder } from "../lib/latency-recorder.js";
import { type Comparison, judge } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import { keyOf } from "../load/inputs.js";
import { runOpenLoop } from "../load/open-loop.js";
import { makeValues } from "../load/records.js";
import type { ObservabilityBench } from "./observability-bench.js";

const KEYS = 10_000;
const RATE = 100_000;
const DURATION_MS = 8000;
const QUICK_MS = 2000;
const ALLOWED = 0.02;
const SEED = 6;
const PERCENTILES = [
  [50, "p50Us"],
  [90, "p90Us"],
  [99, "p99Us"],
  [99.9, "p999Us"],
] as const satisfies readonly (readonly [number, keyof MeasuredLatency])[];

/**
 * The engine's percentiles against those of an observer outside, which times every call itself, from just before it is
 * made until its promise's reaction runs, at a rate that is kept whatever comes back.
 */
export async function measureAgreement(bench: ObservabilityBench): Promise<void> {
  const values = makeValues(seededRandom(SEED), "100B", KEYS);
  const loader = await createEngine(bench.url);
  await loader.batchPut(values.map((value, index) => [keyOf("o", index), value] as const));
  // Compiles what the measured engine will run; its histograms begin empty.
  await offer(loader, values, QUICK_MS / 2);
  await loader.close();
  const engine = await createEngine(bench.url);
  try {
    collectGarbage();
    bench.progress(`observability: ${RATE} ops/s offered, timed inside and outside`);
    const outside = await offer(engine, values, bench.budgetMs ?? (bench.quick ? QUICK_MS : DURATION_MS));
    const { latency } = engine.stats();
    for (const operation of ["get", "put"] as const) report(bench, operation, latency[operation]!, outside);
  } finally {
    await engine.close();
  }
}

interface Outside {
  readonly get: LatencyRecorder;
  readonly put: LatencyRecorder;
  readonly opsPerSec: number;
  readonly errors: number;
}

async function offer(engine: Engine, values: readonly string[], durationMs: number): Promise<Outside> {
  const get = new LatencyRecorder();
  const put = new LatencyRecorder();
  let next = 0;
  const issue = (): Promise<unknown> => {
    next = (next + 7919) % KEYS;
    const key = keyOf("o", next);
    const recorder = (next & 1) === 0 ? get : put;
    const startedMs = performance.now();
    const call = recorder === get ? engine.get(key) : engine.put(key, values[next]!);
    return call.then(() => {
      recorder.record(performance.now() - startedMs);
      return true;
    });
  };
  const { opsPerSec, errors } = await runOpenLoop({ issue, ratePerSec: RATE, durationMs });
  return { get, put, opsPerSec, errors };
}

function report(
  bench: ObservabilityBench,
  operation: "get" | "put",
  inside: MeasuredLatency,
  { [operation]: recorder, opsPerSec, errors }: Outside,
): void {
  const histogram = recorder.toHistogram();
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 10;
  const workload = `observability-agreement/${operation}-100B@${RATE}/s`;
  const row = (subject: string, read: (percentile: number, name: keyof MeasuredLatency) => number): Comparison => ({
    ...{ workload, subject, opsPerSec, errors, cpuUsPerOp: null, meanUs: null, maxUs: null },
    ...{ p50Us: read(50, "p50Us"), p99Us: read(99, "p99Us"), p999Us: read(99.9, "p999Us") },
    rounds: [Math.round(opsPerSec)],
  });
  bench.measured(`${operation}, 100 B, ${RATE} ops/s offered: what the engine says and what an observer sees`, [
    row("millrace itself", (_, name) => inside[name] as number),
    row("observer outside", at),
  ]);
  const counted = inside.count === recorder.count ? "" : `; ${inside.count} counted inside, ${recorder.count} outside`;
  for (const [percentile, name] of PERCENTILES) {
    const outsideUs = at(percentile);
    bench.target(
      judge({
        id: `M5.agree-${operation}-p${percentile}`,
        title: `${operation} p${percentile} at ${RATE} ops/s: the engine's figure against an observer's`,
        ...{ source: "the same calls in this run", goal: ALLOWED, bound: "at most", unit: "" },
        measured: Math.abs(inside[name] / outsideUs - 1),
        note: `${inside[name].toFixed(1)} us inside, ${outsideUs.toFixed(1)} us outside${counted}`,
      }),
    );
  }
}
