import type { LiveSample, Percentiles } from "../live-message.js";
import { byId } from "./elements.js";
import { clockTime, latency, shortNumber, tickOf } from "./figures.js";
import { type LineStyle, Plot } from "./plot.js";
import { linearScale, logScale, type Scale, type Tick } from "./scale.js";

export const PERCENTILE_STYLES: readonly LineStyle[] = [
  { name: "p50", color: "line-1", dash: "" },
  { name: "p90", color: "line-2", dash: "7 3" },
  { name: "p99", color: "line-3", dash: "2 3" },
  { name: "p99.9", color: "line-4", dash: "8 3 2 3" },
];
const PERCENTILES: readonly (keyof Percentiles)[] = ["p50Us", "p90Us", "p99Us", "p999Us"];

const TICK_SECONDS = [15, 30, 60, 120, 300];
const MAX_TICKS = 6;

/** A longer silence than both between two samples is a gap in the lines; a loop that was busy for a moment is none. */
const GAP_SAMPLES = 3.5;
const GAP_MS = 5000;

/** The charts whose x is time. */
export class TimeCharts {
  readonly #throughput = new Plot(byId("chart-throughput"), {
    title: "Throughput in operations per second",
    styles: [
      { name: "settled", color: "line-good", dash: "", filled: true },
      { name: "failed", color: "line-bad", dash: "4 3" },
    ],
    formatX: clockTime,
    formatY: shortNumber,
  });
  readonly #latency = new Plot(byId("chart-latency"), {
    title: "Latency over time",
    styles: PERCENTILE_STYLES,
    formatX: clockTime,
    formatY: latency,
  });
  readonly #queue = new Plot(byId("chart-queue"), {
    title: "Operations not yet settled",
    styles: [
      { name: "pending", color: "line-good", dash: "", filled: true },
      { name: "waiting for room", color: "line-bad", dash: "4 3" },
    ],
    formatX: clockTime,
    formatY: shortNumber,
  });

  show(given: readonly LiveSample[], rangeSeconds: number, operation: string, sampleMs: number): void {
    const samples = withGaps(given, Math.max(GAP_MS, sampleMs * GAP_SAMPLES));
    const x = samples.map(({ atMs }) => atMs);
    const xScale = timeScale(x.at(-1) ?? 0, coveredSeconds(x, rangeSeconds));
    const column = (read: (sample: LiveSample) => number | null): (number | null)[] =>
      samples.map((sample) => ("gap" in sample ? null : read(sample)));
    const linear = (lines: (number | null)[][], leastHighest: number): Scale =>
      linearScale(Math.max(0, ...lines.flat().map((value) => value ?? 0)), tickOf(shortNumber), leastHighest);

    const throughput = [column((sample) => sample.operationsPerSec), column((sample) => sample.failedPerSec)];
    this.#throughput.show({ x, lines: throughput, xScale, yScale: linear(throughput, 4) });
    const queue = [column((sample) => sample.pending), column((sample) => sample.waiting)];
    this.#queue.show({ x, lines: queue, xScale, yScale: linear(queue, 4) });

    const percentiles = PERCENTILES.map((name) => column((sample) => sample.latency[operation]?.[name] ?? null));
    this.#latency.show({ x, lines: percentiles, xScale, yScale: latencyScale(percentiles.flat()) });
  }
}

export function latencyScale(values: readonly (number | null)[]): Scale {
  const known = values.filter((value) => value !== null && value > 0) as number[];
  if (known.length === 0) return logScale(100, 10_000, tickOf(latency));
  return logScale(Math.min(...known), Math.max(...known), tickOf(latency));
}

/** Whole minutes that hold all there is, so that a young history is not squeezed into a corner. */
function coveredSeconds(x: readonly number[], rangeSeconds: number): number {
  const knownMs = (x.at(-1) ?? 0) - (x[0] ?? 0);
  return Math.min(rangeSeconds, Math.max(1, Math.ceil(knownMs / 60_000)) * 60);
}

function timeScale(endMs: number, rangeSeconds: number): Scale {
  const rangeMs = rangeSeconds * 1000;
  const stepSeconds = TICK_SECONDS.find((step) => rangeSeconds / step <= MAX_TICKS) ?? rangeSeconds;
  const ticks: Tick[] = [];
  for (let back = Math.floor(rangeSeconds / stepSeconds) * stepSeconds; back >= 0; back -= stepSeconds) {
    ticks.push({ value: endMs - back * 1000, label: back === 0 ? "now" : shortAgo(back) });
  }
  return { ticks, position: (value) => Math.max(0, 1 - (endMs - value) / rangeMs) };
}

function shortAgo(seconds: number): string {
  return seconds % 60 === 0 ? `−${seconds / 60} min` : `−${seconds} s`;
}

/** Puts a moment without figures where the samples were interrupted, so that no line is drawn across. */
function withGaps(samples: readonly LiveSample[], longestMs: number): readonly (LiveSample | Gap)[] {
  const result: (LiveSample | Gap)[] = [];
  for (const [index, sample] of samples.entries()) {
    const before = samples[index - 1];
    if (before !== undefined && sample.atMs - before.atMs > longestMs) {
      result.push({ gap: true, atMs: (before.atMs + sample.atMs) / 2 });
    }
    result.push(sample);
  }
  return result;
}

interface Gap {
  readonly gap: true;
  readonly atMs: number;
}
