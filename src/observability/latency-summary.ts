import { build, type Histogram, initWebAssembly } from "hdr-histogram-js";
import { middleOfSlot, SLOTS } from "./log-linear.js";

export interface OperationLatency {
  readonly count: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

const HIGHEST_TRACKABLE_US = 3_600_000_000;
const PERCENTILES = [50, 90, 99, 99.9];

let webAssembly: Promise<boolean> | undefined;
let hasWebAssembly = false;
/** One histogram for the process, filled anew for each summary: nothing has to be destroyed. */
let shared: Histogram | undefined;

/** Has HDR histograms computed by WebAssembly from now on, about three times as fast; without it they work as well. */
export async function prepareHistograms(): Promise<void> {
  webAssembly ??= initWebAssembly().then(
    () => true,
    () => false,
  );
  hasWebAssembly = await webAssembly;
}

/** An HDR histogram (three digits) of counts by slot, in microseconds. The next call fills the same one again. */
export function histogramOf(counts: Float64Array | undefined): Histogram {
  shared ??= build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_TRACKABLE_US,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
    autoResize: false,
    useWebAssembly: hasWebAssembly,
  });
  shared.reset();
  if (counts === undefined) return shared;
  for (let slot = 0; slot < SLOTS; slot++) {
    const count = counts[slot]!;
    if (count > 0) shared.recordValueWithCount(middleOfSlot(slot), count);
  }
  return shared;
}

export function summaryFromHistogram(counts: Float64Array | undefined): OperationLatency {
  const histogram = histogramOf(counts);
  const count = histogram.totalCount;
  const [p50Us, p90Us, p99Us, p999Us] = PERCENTILES.map((percentile) => histogram.getValueAtPercentile(percentile));
  return {
    count,
    meanUs: count === 0 ? 0 : histogram.mean,
    p50Us: p50Us!,
    p90Us: p90Us!,
    p99Us: p99Us!,
    p999Us: p999Us!,
    maxUs: count === 0 ? 0 : histogram.maxValue,
  };
}

/** The same read off the counts themselves, at a twentieth of the time: for windows and phases, which are many. */
export function summaryOfCounts(counts: Float64Array | undefined): OperationLatency {
  let count = 0;
  let sum = 0;
  let lowest = 0;
  let highest = 0;
  if (counts !== undefined) {
    for (let slot = SLOTS - 1; slot >= 0; slot--) {
      const here = counts[slot]!;
      if (here === 0) continue;
      if (count === 0) highest = slot;
      lowest = slot;
      count += here;
      sum += here * middleOfSlot(slot);
    }
  }
  if (counts === undefined || count === 0) return NOTHING;
  const values = new Float64Array(PERCENTILES.length);
  let seen = 0;
  let next = 0;
  for (let slot = lowest; slot <= highest && next < PERCENTILES.length; slot++) {
    seen += counts[slot]!;
    while (next < PERCENTILES.length && seen >= rankOf(PERCENTILES[next]!, count)) values[next++] = middleOfSlot(slot);
  }
  return {
    count,
    meanUs: sum / count,
    p50Us: values[0]!,
    p90Us: values[1]!,
    p99Us: values[2]!,
    p999Us: values[3]!,
    maxUs: middleOfSlot(highest),
  };
}

const NOTHING: OperationLatency = Object.freeze({
  ...{ count: 0, meanUs: 0, p50Us: 0, p90Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 },
});

/** The value that so many per cent of the operations do not exceed; 0: there are none. */
export function percentileOfCounts(counts: Float64Array, percentile: number): number {
  let total = 0;
  for (let slot = 0; slot < SLOTS; slot++) total += counts[slot]!;
  if (total === 0) return 0;
  const rank = rankOf(percentile, total);
  let seen = 0;
  let slot = 0;
  for (; slot < SLOTS - 1; slot++) {
    seen += counts[slot]!;
    if (seen >= rank) break;
  }
  return middleOfSlot(slot);
}

function rankOf(percentile: number, total: number): number {
  return Math.max(1, Math.ceil((percentile / 100) * total));
}
