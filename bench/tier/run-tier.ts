import { createEngine, type Engine } from "../../src/index.js";
import { measureSideBySide, pairedRatio, warmUp } from "../codec/side-by-side.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import { FIRST_KEY, type Inputs, makeInputs, SEQUENCE_LENGTH } from "../load/inputs.js";

/** The workload; it runs only when asked for. */
export const TIER = "tier";

export interface TierBench {
  readonly url: string;
  /** Fewer rounds. */
  readonly quick: boolean;
  /** Milliseconds for all of it; null: as long as it takes. */
  readonly budgetMs: number | null;
  progress(text: string): void;
  note(text: string): void;
  measured(title: string, rows: readonly Comparison[]): void;
  target(target: Target): void;
}

const HIT_GOAL = 3_000_000;
const ZIPF_GOAL = 2;
const HIT_KEYS = 10_000;
const ZIPF_KEYS = 100_000;
const ZIPF_EXPONENT = 0.99;
/** Of the keys, how many the tier has room for. */
const TIER_SHARE = 0.01;
/** Nothing is to end by time here. */
const TTL_MS = 3_600_000;
const SEED = 12;
const ROUNDS = 9;
const QUICK_ROUNDS = 3;
const ROUND_MS = 400;
const WARM_UP_MS = 600;
const IN_FLIGHT = [1000, 100] as const;
const SOURCE = "this run";

/** What reads cost that the tier answers, and what it is worth over Redis under reads of which few are hot. */
export async function runTier(bench: TierBench): Promise<void> {
  const rounds = bench.quick ? QUICK_ROUNDS : ROUNDS;
  const cells = 1 + 2 * IN_FLIGHT.length;
  const roundMs = bench.budgetMs === null ? ROUND_MS : Math.max(50, bench.budgetMs / (cells * rounds));
  await measureHits(bench, rounds, roundMs);
  await measureZipf(bench, rounds, roundMs);
}

async function measureHits(bench: TierBench, rounds: number, roundMs: number): Promise<void> {
  const inputs = makeInputs({ size: "100B", space: "t", keyCount: HIT_KEYS }, SEED);
  const cache = { maxBytes: 64 * 1024 * 1024, ttlMs: TTL_MS };
  await withEngines([{ backend: bench.url, cache }], async ([engine]) => {
    await load(engine!, inputs);
    await engine!.batchGet(inputs.allKeys);
    const hit = { name: "millrace, tier", bind: () => reader(engine!, inputs) };
    await warmUp(hit, 1, WARM_UP_MS);
    const { progress } = bench;
    const before = engine!.stats().cache!;
    const [row] = await measureSideBySide([hit], {
      ...{ workload: "tier-hit-100B@1", inFlight: 1, roundMs, rounds, timed: false, progress },
    });
    const after = engine!.stats().cache!;
    if (after.misses !== before.misses) throw new Error("reads that were to be hits asked the store");
    bench.measured("reads that the tier answers, 100 B, one awaited after the other", [row!]);
    const title = "awaited gets that the tier answers, one thread";
    const judged = { id: "M4.tier-hit", title, source: SOURCE, goal: HIT_GOAL, unit: "ops/s" };
    bench.target(judge({ ...judged, bound: "at least", measured: row!.opsPerSec }));
    await engine!.clear("%mb:t");
  });
}

async function measureZipf(bench: TierBench, rounds: number, roundMs: number): Promise<void> {
  const inputs = makeInputs({ size: "100B", space: "t", keyCount: ZIPF_KEYS, zipf: ZIPF_EXPONENT }, SEED);
  const maxBytes = await bytesFor(ZIPF_KEYS * TIER_SHARE, inputs, bench.url);
  const sides = [{ backend: bench.url }, { backend: bench.url, cache: { maxBytes, ttlMs: TTL_MS } }];
  await withEngines(sides, async ([plain, tiered]) => {
    await load(plain!, inputs);
    const contenders = [
      { name: "millrace", bind: () => reader(plain!, inputs) },
      { name: "millrace, tier of 1 %", bind: () => reader(tiered!, inputs) },
    ];
    for (const inFlight of IN_FLIGHT) {
      for (const contender of contenders) await warmUp(contender, inFlight, WARM_UP_MS);
      const workload = `tier-zipf-100B@${inFlight}`;
      const options = { workload, inFlight, roundMs, rounds, timed: true, progress: bench.progress };
      const [without, having] = await measureSideBySide(contenders, options);
      bench.measured(`reads by Zipf(${ZIPF_EXPONENT}) of ${ZIPF_KEYS} keys, 100 B, ${inFlight} in flight`, [
        without!,
        having!,
      ]);
      const title = `${workload}: ops/s with a tier of 1 % of the keys against without`;
      const judged = { id: `M4.tier-zipf-${inFlight}`, title, source: SOURCE, goal: ZIPF_GOAL, unit: "x" };
      bench.target(judge({ ...judged, bound: "at least", measured: pairedRatio(having!, without!) }));
    }
    const { hitRate, entries } = tiered!.stats().cache!;
    bench.note(`The tier held ${entries} entries and answered ${(hitRate * 100).toFixed(1)} % of the reads.`);
    await plain!.clear("%mb:t");
  });
}

/** What a tier must have to hold so many of these entries. */
async function bytesFor(entries: number, inputs: Inputs, backend: string): Promise<number> {
  return withEngines([{ backend, cache: { maxBytes: 64 * 1024 * 1024, ttlMs: TTL_MS } }], async ([engine]) => {
    const sample = inputs.allKeys.slice(0, 100);
    await engine!.batchPut(sample.map((key, index) => [key, inputs.values[index]!] as const));
    await engine!.batchGet(sample);
    const cache = engine!.stats().cache!;
    // A sixteenth of the room is for what is known of lifetimes.
    return Math.ceil((entries * cache.bytes * 16) / (cache.entries * 15));
  });
}

async function load(engine: Engine, { allKeys, values }: Inputs): Promise<void> {
  await engine.batchPut(allKeys.map((key, index) => [key, values[index % values.length]!] as const));
}

/** Keys are put together for each read, as services do. */
function reader(engine: Engine, { keyHead, indices }: Inputs): () => Promise<unknown> {
  let cursor = -1;
  return () => {
    cursor = (cursor + 1) & (SEQUENCE_LENGTH - 1);
    return engine.get(keyHead + (FIRST_KEY + indices[cursor]!));
  };
}

async function withEngines<T>(
  options: readonly Parameters<typeof createEngine>[0][],
  work: (engines: readonly Engine[]) => Promise<T>,
): Promise<T> {
  const engines: Engine[] = [];
  try {
    for (const one of options) engines.push(await createEngine(one));
    return await work(engines);
  } finally {
    for (const engine of engines) await engine.close();
  }
}
