import { collectGarbage } from "../lib/garbage.js";
import { LatencyRecorder } from "../lib/latency-recorder.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import type { Peer } from "../peers/peer.js";
import { runClosedLoop } from "./closed-loop.js";
import type { Inputs } from "./inputs.js";
import { bindOperation } from "./workload.js";

const SLICE_MS = 1000;
const IN_FLIGHT = 1000;
const MIB = 1_048_576;
/** The first part of the run fills pools and compiles code. */
const SETTLING_SHARE = 0.25;
/** Noise of the collector over a minute is some hundred KiB. */
const FLAT_MIB_PER_MINUTE = 2;

export interface MemorySample {
  readonly atMs: number;
  readonly heapMiB: number;
  readonly rssMiB: number;
}

/** A long run whose memory must not grow: heap and resident set once a second, after collecting all garbage. */
export async function runSoak(
  peer: Peer,
  inputs: Inputs,
  durationMs: number,
  progress: (text: string) => void,
): Promise<{ comparison: Comparison; targets: Target[]; samples: MemorySample[] }> {
  const issue = bindOperation("mixed", peer, inputs);
  const recorder = new LatencyRecorder();
  const samples: MemorySample[] = [];
  const rounds: number[] = [];
  const start = performance.now();
  let operations = 0;
  let errors = 0;
  let cpuUs = 0;
  let busyMs = 0;
  while (performance.now() - start < durationMs) {
    const result = await runClosedLoop({ issue, inFlight: IN_FLIGHT, durationMs: SLICE_MS, recorder });
    operations += result.operations;
    errors += result.errors;
    cpuUs += result.cpuUsPerOp * result.operations;
    busyMs += result.elapsedMs;
    rounds.push(Math.round(result.opsPerSec));
    collectGarbage();
    const { heapUsed, rss, external } = process.memoryUsage();
    samples.push({ atMs: performance.now() - start, heapMiB: (heapUsed + external) / MIB, rssMiB: rss / MIB });
    progress(`soak  ${samples.length} s  heap ${samples.at(-1)!.heapMiB.toFixed(1)} MiB`);
  }
  const latency = recorder.summary();
  const settled = samples.slice(Math.floor(samples.length * SETTLING_SHARE));
  const growth = slopePerMinute(settled.map((sample) => [sample.atMs, sample.heapMiB]));
  const residentGrowth = slopePerMinute(settled.map((sample) => [sample.atMs, sample.rssMiB]));
  const target = judge({
    id: "M1.memory",
    title: `heap growth over ${Math.round(durationMs / 1000)} s, 1000 in flight`,
    source: "this run",
    goal: FLAT_MIB_PER_MINUTE,
    bound: "at most",
    unit: "MiB/min",
    measured: growth,
    note: `resident set ${residentGrowth >= 0 ? "+" : ""}${residentGrowth.toFixed(1)} MiB/min`,
  });
  return {
    targets: [target],
    samples,
    comparison: {
      workload: "soak-100B@1000",
      subject: peer.name,
      opsPerSec: (operations * 1000) / busyMs,
      p50Us: latency.p50Us,
      p99Us: latency.p99Us,
      p999Us: latency.p999Us,
      cpuUsPerOp: cpuUs / operations,
      errors,
      meanUs: latency.meanUs,
      maxUs: latency.maxUs,
      rounds,
    },
  };
}

/** Least squares over (milliseconds, value), in values per minute. */
export function slopePerMinute(points: readonly (readonly [number, number])[]): number {
  const count = points.length;
  if (count < 2) return 0;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const variance = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return variance === 0 ? 0 : (covariance / variance) * 60_000;
}
