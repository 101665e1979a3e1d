import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LatencyRecorder } from "../../../bench/lib/latency-recorder.js";
import { normal, seededRandom } from "../../../bench/lib/rng.js";

function exactPercentile(sorted: readonly number[], percentile: number): number {
  return sorted[Math.max(0, Math.round((percentile / 100) * sorted.length) - 1)]!;
}

describe("the latency recorder", () => {
  test("agrees with exact percentiles within 0.3 % from microseconds to seconds", () => {
    const random = seededRandom(1);
    const recorder = new LatencyRecorder();
    const samplesMs = Array.from({ length: 200_000 }, () => Math.exp(2.5 * normal(random) - 1));
    for (const ms of samplesMs) recorder.record(ms);
    const sorted = samplesMs.toSorted((a, b) => a - b);
    const summary = recorder.summary();
    for (const [percentile, us] of [
      [50, summary.p50Us],
      [99, summary.p99Us],
      [99.9, summary.p999Us],
    ] as const) {
      const exactUs = exactPercentile(sorted, percentile) * 1000;
      assert.ok(Math.abs(us / exactUs - 1) < 0.003, `p${percentile}: ${us} against ${exactUs}`);
    }
    assert.ok(Math.abs(summary.maxUs / (sorted.at(-1)! * 1000) - 1) < 0.003);
    const meanUs = (samplesMs.reduce((sum, ms) => sum + ms, 0) / samplesMs.length) * 1000;
    assert.ok(Math.abs(summary.meanUs / meanUs - 1) < 1e-9);
    assert.equal(summary.count, samplesMs.length);
  });

  test("keeps every sample at the edges of its table", () => {
    const recorder = new LatencyRecorder();
    for (const ms of [-1, 0, 0.00001, 0.2047, 0.2048, 0.4095, 0.4096, 214_000, 1e9, Number.POSITIVE_INFINITY]) {
      recorder.record(ms);
    }
    assert.equal(recorder.toHistogram().totalCount, 10);
  });

  test("adds what another one holds", () => {
    const one = new LatencyRecorder();
    const other = new LatencyRecorder();
    one.record(1);
    other.record(3);
    one.add(other);
    const { count, meanUs, maxUs } = one.summary();
    assert.deepEqual([count, meanUs], [2, 2000]);
    assert.ok(Math.abs(maxUs - 3000) < 10);
  });

  test("has zeros for no samples", () => {
    assert.deepEqual(new LatencyRecorder().summary(), {
      count: 0,
      meanUs: 0,
      p50Us: 0,
      p99Us: 0,
      p999Us: 0,
      maxUs: 0,
    });
  });
});
