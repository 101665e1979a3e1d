import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import { collectGarbage, collectYoungGarbage } from "../lib/garbage.js";
import { median } from "../lib/median.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import { type LoopResult, runClosedLoop } from "./closed-loop.js";
import { keyOf } from "./inputs.js";
import { makeValues } from "./records.js";

const KEYS = 10_000;
const PAIRS = 60;
const QUICK_PAIRS = 8;
const ROUND_MS = 100;
const MIN_ROUND_MS = 20;
const WARM_UP_MS = 600;
const SEED = 5;
/** What happens once a second of the time that is measured. */
const EVERY_MS = 1000;

const CELLS = [
  { operation: "get", inFlight: 1000 },
  { operation: "put", inFlight: 1000 },
  { operation: "get", inFlight: 100 },
] as const;

/** Where to measure, for how long, and where the results go. */
export interface OnAndOffBench {
  readonly url: string;
  /** Fewer rounds. */
  readonly quick: boolean;
  /** Milliseconds for all of it; null: as long as it takes. */
  readonly budgetMs: number | null;
  progress(text: string): void;
  measured(title: string, rows: readonly Comparison[]): void;
  target(target: Target): void;
}

export interface OnAndOff {
  /** Rows are named after it. */
  readonly workload: string;
  /** Targets are. */
  readonly targetId: string;
  /** What is on or off. */
  readonly what: string;
  readonly off: EngineOptions;
  readonly on: EngineOptions;
  /** How often the time without it it may take at most. */
  readonly goal: number;
  /** Done with either engine once a second, in the midst of the load. */
  readonly everySecond?: (engine: Engine) => Promise<unknown>;
  /** Done at the end with the engine that has it on, whose keys are `keyOf("o", index of the value)`. */
  readonly atTheEnd?: (engine: Engine, values: readonly string[]) => Promise<void>;
}

interface Side {
  readonly name: string;
  readonly engine: Engine;
  readonly rounds: LoopResult[];
  sinceMs: number;
}

/**
 * What something costs: one engine with it on, one with it off, in the same process on the same server. They run in
 * turns of a tenth of a second, each first as often as the other, and the median of what the pairs say counts, so that
 * whatever else goes on meets both.
 */
export async function measureOnAndOff(bench: OnAndOffBench, subject: OnAndOff): Promise<void> {
  const pairs = bench.quick ? QUICK_PAIRS : PAIRS;
  const share = bench.budgetMs === null ? null : bench.budgetMs / (CELLS.length * pairs * 2);
  const roundMs = share === null ? ROUND_MS : Math.max(MIN_ROUND_MS, share);
  const values = makeValues(seededRandom(SEED), "100B", KEYS);
  const sides: Side[] = [];
  try {
    for (const name of ["off", "on"] as const) {
      const engine = await createEngine({ ...subject[name], backend: bench.url });
      sides.push({ name: `millrace ${name}`, engine, rounds: [], sinceMs: 0 });
    }
    await sides[0]!.engine.batchPut(values.map((value, index) => [keyOf("o", index), value] as const));
    for (const cell of CELLS) {
      collectGarbage();
      for (const side of sides) {
        side.rounds.length = 0;
        await run(side, cell, values, WARM_UP_MS, subject);
      }
      for (let pair = 0; pair < pairs; pair++) {
        bench.progress(`${subject.workload} ${cell.operation}@${cell.inFlight}  pair ${pair + 1}/${pairs}`);
        for (const side of pair % 2 === 0 ? sides : [...sides].reverse()) {
          collectYoungGarbage();
          side.rounds.push(await run(side, cell, values, roundMs, subject));
        }
      }
      report(bench, subject, cell, sides);
    }
    await subject.atTheEnd?.(sides[1]!.engine, values);
  } finally {
    await Promise.allSettled(sides.map(({ engine }) => engine.close()));
  }
}

async function run(
  side: Side,
  { operation, inFlight }: (typeof CELLS)[number],
  values: readonly string[],
  durationMs: number,
  { everySecond }: OnAndOff,
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
  side.sinceMs += durationMs;
  const extra = everySecond !== undefined && side.sinceMs >= EVERY_MS ? soon(() => everySecond(engine)) : undefined;
  if (extra !== undefined) side.sinceMs = 0;
  const result = await runClosedLoop({ issue, inFlight, durationMs });
  await extra;
  return result;
}

function soon(work: () => Promise<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    setImmediate(() => void work().then(resolve, reject));
  });
}

function report(
  bench: OnAndOffBench,
  { workload, targetId, what, goal }: OnAndOff,
  { operation, inFlight }: (typeof CELLS)[number],
  [off, on]: readonly Side[],
): void {
  const rows = [off!, on!].map(
    ({ name, rounds }): Comparison => ({
      workload: `${workload}/${operation}-100B@${inFlight}`,
      subject: name,
      opsPerSec: median(rounds.map((round) => round.opsPerSec)),
      ...{ p50Us: null, p99Us: null, p999Us: null, meanUs: null, maxUs: null },
      cpuUsPerOp: median(rounds.map((round) => round.cpuUsPerOp)),
      errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
      rounds: rounds.map((round) => Math.round(round.opsPerSec)),
    }),
  );
  bench.measured(`${operation}, 100 B, ${inFlight} in flight: ${what} on and off`, rows);
  const ratioOf = (value: (round: LoopResult) => number): number =>
    median(on!.rounds.map((round, pair) => value(round) / value(off!.rounds[pair]!)));
  const cpuRatio = ratioOf((round) => round.cpuUsPerOp);
  bench.target(
    judge({
      id: `${targetId}-${operation}@${inFlight}`,
      title: `${operation}, ${inFlight} in flight: time with ${what} on against off`,
      ...{ source: "side by side in this run", goal, bound: "at most", unit: "x" },
      measured: ratioOf((round) => 1 / round.opsPerSec),
      note: `median of ${on!.rounds.length} pairs; processor time per operation ${cpuRatio.toFixed(3)} x`,
    }),
  );
}
