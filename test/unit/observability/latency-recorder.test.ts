import assert from "node:assert/strict";
import { test } from "node:test";
import { LatencyRecorder } from "../../../src/observability/latency-recorder.js";
import { histogramOf } from "../../../src/observability/latency-summary.js";

test("percentiles are within half a per cent of the exact ones, over all magnitudes", () => {
  const recorder = new LatencyRecorder();
  const exact: number[] = [];
  let state = 12_345;
  for (let i = 0; i < 200_000; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const us = Math.floor(2 ** ((state / 2 ** 32) * 30));
    recorder.record(us);
    exact.push(us);
  }
  exact.sort((a, b) => a - b);
  recorder.drain(0);
  const histogram = histogramOf(recorder.totals);
  assert.equal(recorder.count, exact.length);
  assert.equal(histogram.totalCount, exact.length);
  for (const percentile of [1, 10, 50, 90, 99, 99.9, 99.99]) {
    const expected = exact[Math.ceil((percentile / 100) * exact.length) - 1]!;
    const shown = histogram.getValueAtPercentile(percentile);
    assert.ok(
      Math.abs(shown - expected) <= Math.max(1, expected * 0.005),
      `p${percentile}: ${shown}, exactly ${expected}`,
    );
  }
});

test("what was recorded between two readings is added up, and a clock that went back counts as nothing", () => {
  const recorder = new LatencyRecorder();
  recorder.record(10);
  recorder.drain(0);
  assert.equal(histogramOf(recorder.totals).totalCount, 1);
  recorder.record(-5);
  recorder.record(10);
  assert.equal(recorder.count, 3);
  recorder.drain(0);
  const histogram = histogramOf(recorder.totals);
  assert.equal(histogram.totalCount, 3);
  assert.equal(histogram.minNonZeroValue, 10);
  assert.equal(recorder.drain(0), undefined);
  assert.equal(histogramOf(recorder.totals).totalCount, 3);
});
