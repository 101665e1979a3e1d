import assert from "node:assert/strict";
import { test } from "node:test";
import { LatencyRecorder } from "../../../src/observability/latency-recorder.js";
import { summaryOfCounts } from "../../../src/observability/latency-summary.js";
import { SLOTS } from "../../../src/observability/log-linear.js";
import { coveredMs, SlidingCounts } from "../../../src/observability/sliding-counts.js";

const TEN_SECONDS = 10_000;
const MINUTE = 60_000;
const FIVE_MINUTES = 300_000;

test("a spike shows in a window at once, is gone when it is older than the window, and stays in the totals", () => {
  const recorder = new LatencyRecorder();
  const highestAt: Record<number, [number, number, number]> = {};
  for (let second = 0; second < 400; second++) {
    for (let i = 0; i < 100; i++) recorder.record(100);
    if (second === 20) recorder.record(50_000);
    recorder.drain(second * 1000);
    const nowMs = second * 1000 + 500;
    const highest = (spanMs: number): number => summaryOfCounts(recorder.window(nowMs, spanMs)).maxUs;
    highestAt[second] = [highest(TEN_SECONDS), highest(MINUTE), highest(FIVE_MINUTES)];
  }
  const isHigh = (us: number): boolean => us > 49_000;
  assert.deepEqual(highestAt[20]!.map(isHigh), [true, true, true]);
  assert.deepEqual(highestAt[29]!.map(isHigh), [true, true, true]);
  assert.deepEqual(highestAt[31]!.map(isHigh), [false, true, true]);
  assert.deepEqual(highestAt[70]!.map(isHigh), [false, true, true]);
  assert.deepEqual(highestAt[81]!.map(isHigh), [false, false, true]);
  assert.deepEqual(highestAt[280]!.map(isHigh), [false, false, true]);
  assert.deepEqual(highestAt[321]!.map(isHigh), [false, false, false]);
  assert.ok(isHigh(summaryOfCounts(recorder.totals).maxUs));
  assert.equal(summaryOfCounts(recorder.totals).count, 40_001);
});

test("a window counts exactly what was recorded in the time that it says it covers", () => {
  const recorder = new LatencyRecorder();
  for (let second = 0; second < 400; second++) {
    recorder.record(second);
    recorder.drain(second * 1000);
    const nowMs = (second + 1) * 1000;
    for (const spanMs of [TEN_SECONDS, MINUTE, FIVE_MINUTES]) {
      const { count } = summaryOfCounts(recorder.window(nowMs, spanMs));
      assert.equal(count * 1000, coveredMs(nowMs, spanMs, 0), `${spanMs} ms at ${nowMs}`);
    }
  }
});

test("after a long silence windows are empty and the totals are not", () => {
  const recorder = new LatencyRecorder();
  recorder.record(7);
  recorder.drain(0);
  assert.equal(summaryOfCounts(recorder.window(3_600_000, FIVE_MINUTES)).count, 0);
  assert.equal(summaryOfCounts(recorder.totals).count, 1);
});

test("what nobody reads is forgotten all the same, and later read as if it had been read all along", () => {
  const unread = new SlidingCounts();
  const read = new SlidingCounts();
  const total = new Float64Array(SLOTS);
  for (let second = 0; second < 3600; second++) {
    const counts = { slots: Uint16Array.of(second % 7, 100 + (second % 11)), counts: Uint32Array.of(1, 2) };
    unread.add(second * 1000, counts);
    read.add(second * 1000, counts);
    read.sum(second * 1000 + 999, MINUTE, total);
    assert.ok(unread.sliceCount <= 30, `${unread.sliceCount} slices after ${second} s`);
  }
  for (const spanMs of [TEN_SECONDS, MINUTE, FIVE_MINUTES]) {
    const [one, other] = [unread, read].map((sliding) => {
      const counts = new Float64Array(SLOTS);
      sliding.sum(3_600_000, spanMs, counts);
      return counts;
    });
    assert.deepEqual(one, other);
    assert.ok(one!.some((count) => count > 0));
  }
});
