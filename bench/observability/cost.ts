import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import { collectGarbage, collectYoungGarbage } from "../lib/garbage.js";
import { median } from "../lib/median.js";
import { type Comparison, judge } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import { type LoopResult, runClosedLoop } from "../load/closed-loop.js";
import { keyOf } from "../load/inputs.js";
import { makeValues } from "../load/records.js";
import type { ObservabilityBench } from "./observability-bench.js";

const KEYS = 10_000;
const PAIRS = 60;
const QUICK_PAIRS = 8;
const ROUND_MS = 100;
const MIN_ROUND_MS = 20;
const WARM_UP_MS = 600;
const ALLOWED = 1.05;
const SEED = 5;
const SCRAPES = 50;
/** Objectives are read and metrics scraped once a second of the time that is measured: far more often than in life. */
const SCRAPE_INTERVAL_MS = 1000;

const OFF: EngineOptions = { metrics: false, slo: [], slowLog: false };
const ON: EngineOptions = {
  slo: [
    { operation: "get", percentile: 99, latencyMs: 1 },
    { operation: "get", percentile: 99.9, latencyMs: 10 },
    { operation: "put", percentile: 99, latencyMs: 1 },
    { operation: "put", percentile: 99.9, latencyMs: 10 },
  ],
};

const CELLS = [
  { operation: "get", inFlight: 1000 },
  { operation: "put", inFlight: 1000 },
  { operation: "get", inFlight: 100 },
] as const;

interface Side {
  readonly name: string;
  readonly engine: Engine;
  readonly rounds: LoopResult[];
  sinceScrapeMs: number;
}

/**
 * What metrics, objectives and slow log cost together: one engine with all of them, one with none, in the same process
 * on the same server. They run in turns of a tenth of a second, each first as often as the other, and the median of
 * what the pairs say counts, so that whatever else goes on meets both.
 */
export async function measureCost(bench: ObservabilityBench): Promise<void> {
  const pairs = bench.quick ? QUICK_PAIRS : PAIRS;
  const share = bench.budgetMs === null ? null : bench.budgetMs / (CELLS.length * pairs * 2);
  const roundMs = share === null ? ROUND_MS : Math.max(MIN_ROUND_MS, share);
  const values = makeValues(seededRandom(SEED), "100B", KEYS);
  const sides: Side[] = [];
  try {
    for (const [name, options] of [
      ["off", OFF],
      ["on", ON],
    ] as const) {
      const engine = await createEngine({ ...options, backend: bench.url });
      sides.push({ name: `millrace ${name}`, engine, rounds: [], sinceScrapeMs: 0 });
    }
    await sides[0]!.engine.batchPut(values.map((value, index) => [keyOf("o", index), value] as const));
    for (const cell of CELLS) {
      collectGarbage();
      for (const side of sides) {
        side.rounds.length = 0;
        await run(side, cell, values, WARM_UP_MS);
      }
      for (let pair = 0; pair < pairs; pair++) {
        bench.progress(`observability ${cell.operation}@${cell.inFlight}  pair ${pair + 1}/${pairs}`);
        for (const side of pair % 2 === 0 ? sides : [...sides].reverse()) {
          collectYoungGarbage();
          side.rounds.push(await run(side, cell, values, roundMs));
        }
      }
      report(bench, cell, sides);
    }
    await measureScrape(bench, sides[1]!.engine, values);
  } finally {
    await Promise.allSettled(sides.map(({ engine }) => engine.close()));
  }
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

async function run(
  side: Side,
  { operation, inFlight }: (typeof CELLS)[number],
  values: readonly string[],
  durationMs: number,
): Promise<LoopResult> {
  const { engine } = side;
  let next = 0;
  const index = (): number => {
    next = (next + 7919) % KEYS;
    return next;
  };
  const issue =
    operation === "get"
      ? () => engine.get(keyOf("o", index()))
      : () => engine.put(keyOf("o", index()), values[next]!).then(() => true);
  side.sinceScrapeMs += durationMs;
  const scrape = side.sinceScrapeMs >= SCRAPE_INTERVAL_MS ? scrapeSoon(engine) : undefined;
  if (scrape !== undefined) side.sinceScrapeMs = 0;
  const result = await runClosedLoop({ issue, inFlight, durationMs });
  await scrape;
  return result;
}

/** In the midst of the load, as a scrape comes. */
function scrapeSoon(engine: Engine): Promise<unknown> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      engine.slo();
      engine.metrics.metrics().then(resolve, reject);
    });
  });
}

function report(bench: ObservabilityBench, cell: (typeof CELLS)[number], [off, on]: readonly Side[]): void {
  const workload = `observability-cost/${cell.operation}-100B@${cell.inFlight}`;
  const rows = [off!, on!].map(
    ({ name, rounds }): Comparison => ({
      workload,
      subject: name,
      opsPerSec: median(rounds.map((round) => round.opsPerSec)),
      ...{ p50Us: null, p99Us: null, p999Us: null, meanUs: null, maxUs: null },
      cpuUsPerOp: median(rounds.map((round) => round.cpuUsPerOp)),
      errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
      rounds: rounds.map((round) => Math.round(round.opsPerSec)),
    }),
  );
  bench.measured(
    `${cell.operation}, 100 B, ${cell.inFlight} in flight: metrics, objectives and slow log on and off`,
    rows,
  );
  const ratios = off!.rounds.map((round, pair) => round.opsPerSec / on!.rounds[pair]!.opsPerSec);
  const cpuRatio = rows[1]!.cpuUsPerOp! / rows[0]!.cpuUsPerOp!;
  bench.target(
    judge({
      id: `M5.cost-${cell.operation}@${cell.inFlight}`,
      title: `${cell.operation}, ${cell.inFlight} in flight: time with everything on against everything off`,
      ...{ source: "side by side in this run", goal: ALLOWED, bound: "at most", unit: "x", measured: median(ratios) },
      note: `median of ${ratios.length} pairs; processor time per operation ${cpuRatio.toFixed(3)} x`,
    }),
  );
}
