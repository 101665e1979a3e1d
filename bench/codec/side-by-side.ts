import { collectYoungGarbage } from "../lib/garbage.js";
import { LatencyRecorder } from "../lib/latency-recorder.js";
import { median } from "../lib/median.js";
import type { Comparison } from "../lib/report.js";
import type { SpareTime } from "../lib/spare-time.js";
import { runClosedLoop } from "../load/closed-loop.js";
import { MainThreadMeter } from "./main-thread-meter.js";

/** One of those that are compared. */
export interface Contender {
  readonly name: string;
  /** The next operation, or call of `perCall` operations; bound anew for every round. */
  readonly bind: () => () => Promise<unknown>;
  readonly perCall?: number;
}

export interface SideBySideOptions {
  readonly workload: string;
  readonly inFlight: number;
  readonly roundMs: number;
  readonly rounds: number;
  /** Whether latencies are taken too, in a round of its own. */
  readonly timed: boolean;
  readonly progress: (text: string) => void;
  readonly more?: MoreRounds;
}

/** Rounds beyond `rounds`, while what was measured does not tell yet what it is to tell. */
export interface MoreRounds {
  readonly spare: SpareTime;
  readonly areWanted: (rows: readonly Comparison[]) => boolean;
}

/** Measures every contender in turn, another one first in every round; medians count. */
export async function measureSideBySide(
  contenders: readonly Contender[],
  options: SideBySideOptions,
): Promise<Comparison[]> {
  const { workload, rounds, progress, more } = options;
  const measured = contenders.map((contender) => new Measured(contender));
  const rows = (): Comparison[] => measured.map((current) => current.comparison(workload));
  const roundOfAll = async (round: number): Promise<void> => {
    for (let turn = 0; turn < measured.length; turn++) {
      const current = measured[(round + turn) % measured.length]!;
      progress(`${workload}  round ${round + 1}/${Math.max(rounds, round + 1)}  ${current.contender.name}`);
      collectYoungGarbage();
      await current.round(options);
    }
  };
  let round = 0;
  while (round < rounds) await roundOfAll(round++);
  await more?.spare.spend(async () => {
    if (!more.areWanted(rows())) return false;
    await roundOfAll(round++);
    return true;
  });
  if (options.timed) for (const current of measured) await current.timedRound(options);
  return rows();
}

/** Unmeasured rounds: code is compiled, pools fill, connections warm up. */
export async function warmUp(contender: Contender, inFlight: number, durationMs: number): Promise<void> {
  await runClosedLoop({ issue: contender.bind(), inFlight, durationMs });
}

class Measured {
  readonly contender: Contender;
  readonly #rates: number[] = [];
  readonly #cpuUs: number[] = [];
  readonly #mainUs: number[] = [];
  readonly #delaysMs: number[] = [];
  readonly #latencies = new LatencyRecorder();
  #isTimed = false;
  #errors = 0;

  constructor(contender: Contender) {
    this.contender = contender;
  }

  async round({ inFlight, roundMs }: SideBySideOptions): Promise<void> {
    const { bind, perCall = 1 } = this.contender;
    const meter = new MainThreadMeter();
    const result = await runClosedLoop({ issue: bind(), inFlight, durationMs: roundMs });
    const load = meter.stop();
    this.#rates.push(result.opsPerSec * perCall);
    this.#cpuUs.push(result.cpuUsPerOp / perCall);
    this.#mainUs.push(load.busyUs / (result.operations * perCall));
    this.#delaysMs.push(load.loopDelayP99Ms);
    this.#errors += result.errors;
  }

  async timedRound({ inFlight, roundMs }: SideBySideOptions): Promise<void> {
    const result = await runClosedLoop({
      issue: this.contender.bind(),
      inFlight,
      durationMs: roundMs,
      recorder: this.#latencies,
    });
    this.#isTimed = true;
    this.#errors += result.errors;
  }

  comparison(workload: string): Comparison {
    const latency = this.#isTimed ? this.#latencies.summary() : null;
    return {
      workload,
      subject: this.contender.name,
      opsPerSec: median(this.#rates),
      p50Us: latency?.p50Us ?? null,
      p99Us: latency?.p99Us ?? null,
      p999Us: latency?.p999Us ?? null,
      cpuUsPerOp: median(this.#cpuUs),
      mainCpuUsPerOp: median(this.#mainUs),
      loopDelayP99Ms: median(this.#delaysMs),
      errors: this.#errors,
      meanUs: latency?.meanUs ?? null,
      maxUs: latency?.maxUs ?? null,
      rounds: this.#rates.map(Math.round),
    };
  }
}
