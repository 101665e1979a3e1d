import type { Engine, EngineOptions } from "../../src/index.js";
import { median } from "../lib/median.js";
import { judge } from "../lib/report.js";
import { keyOf } from "../load/inputs.js";
import { measureOnAndOff } from "../load/on-and-off.js";
import type { ObservabilityBench } from "./observability-bench.js";

const ALLOWED = 1.05;
const SCRAPES = 50;

const OFF: EngineOptions = { metrics: false, slo: [], slowLog: false };
const ON: EngineOptions = {
  slo: [
    { operation: "get", percentile: 99, latencyMs: 1 },
    { operation: "get", percentile: 99.9, latencyMs: 10 },
    { operation: "put", percentile: 99, latencyMs: 1 },
    { operation: "put", percentile: 99.9, latencyMs: 10 },
  ],
};

/** What metrics, objectives and slow log cost together. */
export function measureCost(bench: ObservabilityBench): Promise<void> {
  return measureOnAndOff(bench, {
    workload: "observability-cost",
    targetId: "M5.cost",
    what: "metrics, objectives and slow log",
    off: OFF,
    on: ON,
    goal: ALLOWED,
    // Far more often than in life.
    everySecond: (engine) => {
      engine.slo();
      return engine.metrics.metrics();
    },
    atTheEnd: (engine, values) => measureScrape(bench, engine, values),
  });
}

/** A scrape holds up the event loop while its text is made: between batches of load, as it comes in life. */
async function measureScrape(bench: ObservabilityBench, engine: Engine, values: readonly string[]): Promise<void> {
  const timesMs: number[] = [];
  let lines = 0;
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    await Promise.all(values.slice(0, 500).map((value, index) => engine.put(keyOf("o", index), value)));
    const startedMs = performance.now();
    lines = (await engine.metrics.metrics()).split("\n").length;
    timesMs.push(performance.now() - startedMs);
  }
  bench.target(
    judge({
      ...{ id: "M5.scrape", title: "one scrape of /metrics", source: "this run", goal: 10, bound: "below", unit: "ms" },
      measured: median(timesMs),
      note: `median of ${SCRAPES}, ${lines} lines; the longest took ${Math.max(...timesMs).toFixed(1)} ms`,
    }),
  );
}
