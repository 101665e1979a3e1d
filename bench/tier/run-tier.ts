import { median } from "../lib/median.js";
import { pairedRatio } from "../lib/paired.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import type { LoopResult } from "../load/closed-loop.js";
import { SubjectProcess } from "./subject-process.js";
import type { SubjectStart, TierLoad } from "./subject-protocol.js";

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
const ROOMY_BYTES = 64 * 1024 * 1024;
const SAMPLE_KEYS = 100;
const SEED = 12;
const ROUNDS = 9;
const QUICK_ROUNDS = 3;
const ROUND_MS = 400;
const WARM_UP_MS = 1500;
const IN_FLIGHT = [1000, 100, 10, 1] as const;
const SOURCE = "M4";

interface Pace {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
}

/** One load of one subject, beside others. */
interface Contender {
  readonly name: string;
  readonly subject: SubjectProcess;
  readonly load: TierLoad;
}

/** What reads cost that the tier answers, and what it is worth over Redis under reads of which few are hot. */
export async function runTier(bench: TierBench): Promise<void> {
  const rounds = bench.quick ? QUICK_ROUNDS : ROUNDS;
  // As many cells of a warm-up, rounds, and the taking of times.
  const cells = 2 + 2 * IN_FLIGHT.length;
  const warmUps = WARM_UP_MS / ROUND_MS;
  const roundMs = bench.budgetMs === null ? ROUND_MS : Math.max(50, bench.budgetMs / (cells * (rounds + warmUps + 1)));
  const pace = { rounds, roundMs, warmUpMs: roundMs * warmUps };
  await measureHits(bench, pace);
  await measureZipf(bench, pace);
}

async function measureHits(bench: TierBench, pace: Pace): Promise<void> {
  const shape = { size: "100B", space: "t", keyCount: HIT_KEYS } as const;
  const start = { name: "millrace, tier", url: bench.url, shape, seed: SEED, cacheBytes: ROOMY_BYTES };
  await withSubjects([start], bench, async ([subject]) => {
    await subject!.ask("fill", {});
    await subject!.ask("keep", { count: HIT_KEYS });
    const before = await subject!.ask("tier", {});
    const hit: Contender = { name: start.name, subject: subject!, load: "get" };
    const bare: Contender = { name: "Map and copy, awaited", subject: subject!, load: "bare" };
    const [row, least] = await measure("tier-hit-100B@1", 1, [hit, bare], bench, pace);
    const after = await subject!.ask("tier", {});
    if (after.misses !== before.misses) throw new Error("reads that were to be hits asked the store");
    bench.measured("reads that the tier answers, 100 B, one awaited after the other", [row!, least!]);
    const title = "awaited gets that the tier answers, one thread";
    const judged = { id: "M4.tier-hit", title, source: SOURCE, goal: HIT_GOAL, unit: "ops/s" };
    bench.target(judge({ ...judged, bound: "at least", measured: row!.opsPerSec }));
    const share = pairedRatio(row!, least!);
    bench.note(`A hit comes at ${share.toFixed(2)} times the rate of an awaited look into a Map and a copy, here.`);
    await subject!.ask("clear", {});
  });
}

async function measureZipf(bench: TierBench, pace: Pace): Promise<void> {
  const shape = { size: "100B", space: "t", keyCount: ZIPF_KEYS, zipf: ZIPF_EXPONENT } as const;
  const common = { url: bench.url, shape, seed: SEED };
  const cacheBytes = await bytesFor(ZIPF_KEYS * TIER_SHARE, common, bench);
  const plain = { ...common, name: "millrace", cacheBytes: 0 };
  const tiered = { ...common, name: "millrace, tier of 1 %", cacheBytes };
  await withSubjects([plain, tiered], bench, async ([without, having]) => {
    await without!.ask("fill", {});
    for (const inFlight of IN_FLIGHT) {
      const workload = `tier-zipf-100B@${inFlight}`;
      const contenders = [without!, having!].map(
        (subject): Contender => ({ name: subject.name, subject, load: "get" }),
      );
      const rows = await measure(workload, inFlight, contenders, bench, pace);
      const timed: Comparison[] = [];
      for (const [index, { subject }] of contenders.entries()) {
        const { latencies, errors } = await subject.ask("timed", { inFlight, durationMs: pace.roundMs });
        const { p50Us, p99Us, p999Us, meanUs, maxUs } = latencies;
        const row = rows[index]!;
        timed.push({ ...row, p50Us, p99Us, p999Us, meanUs, maxUs, errors: row.errors + errors });
      }
      bench.measured(`reads by Zipf(${ZIPF_EXPONENT}) of ${ZIPF_KEYS} keys, 100 B, ${inFlight} in flight`, timed);
      const title = `${workload}: ops/s with a tier of 1 % of the keys against without`;
      const judged = { id: `M4.tier-zipf-${inFlight}`, title, source: SOURCE, goal: ZIPF_GOAL, unit: "x" };
      bench.target(judge({ ...judged, bound: "at least", measured: pairedRatio(timed[1]!, timed[0]!) }));
    }
    const { hits, misses, entries } = await having!.ask("tier", {});
    const hitRate = (hits / (hits + misses)) * 100;
    bench.note(`The tier held ${entries} entries and answered ${hitRate.toFixed(1)} % of the reads.`);
    await without!.ask("clear", {});
  });
}

/** Each in turn, another one first in every round; medians count. */
async function measure(
  workload: string,
  inFlight: number,
  contenders: readonly Contender[],
  bench: TierBench,
  { rounds, roundMs, warmUpMs }: Pace,
): Promise<Comparison[]> {
  const results = contenders.map((): LoopResult[] => []);
  for (const { subject, load } of contenders) await subject.ask("round", { load, inFlight, durationMs: warmUpMs });
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (round + turn) % contenders.length;
      const { name, subject, load } = contenders[index]!;
      bench.progress(`${workload}  round ${round + 1}/${rounds}  ${name}`);
      results[index]!.push(await subject.ask("round", { load, inFlight, durationMs: roundMs }));
    }
  }
  return contenders.map(({ name }, index) => comparisonOf(workload, name, results[index]!));
}

function comparisonOf(workload: string, subject: string, rounds: readonly LoopResult[]): Comparison {
  return {
    workload,
    subject,
    opsPerSec: median(rounds.map(({ opsPerSec }) => opsPerSec)),
    cpuUsPerOp: median(rounds.map(({ cpuUsPerOp }) => cpuUsPerOp)),
    errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
    ...{ p50Us: null, p99Us: null, p999Us: null, meanUs: null, maxUs: null },
    rounds: rounds.map(({ opsPerSec }) => Math.round(opsPerSec)),
  };
}

/** What a tier must have to hold so many of these entries. */
async function bytesFor(
  count: number,
  common: Pick<SubjectStart, "url" | "shape" | "seed">,
  bench: TierBench,
): Promise<number> {
  const shape = { ...common.shape, keyCount: SAMPLE_KEYS };
  const start = { ...common, shape, name: "sample", cacheBytes: ROOMY_BYTES };
  return withSubjects([start], bench, async ([subject]) => {
    await subject!.ask("fill", {});
    await subject!.ask("keep", { count: SAMPLE_KEYS });
    const { bytes, entries } = await subject!.ask("tier", {});
    // A sixteenth of the room is for what is known of lifetimes.
    return Math.ceil((count * bytes * 16) / (entries * 15));
  });
}

async function withSubjects<T>(
  starts: readonly SubjectStart[],
  bench: TierBench,
  work: (subjects: readonly SubjectProcess[]) => Promise<T>,
): Promise<T> {
  const subjects: SubjectProcess[] = [];
  try {
    for (const start of starts) subjects.push(await SubjectProcess.open(start, (text) => bench.progress(text)));
    return await work(subjects);
  } finally {
    for (const subject of subjects) await subject.close();
  }
}
