import type { LatencySummary } from "../lib/latency-recorder.js";
import { median } from "../lib/median.js";
import type { Comparison } from "../lib/report.js";
import { YARDSTICK } from "../peers/all-peers.js";
import type { YardstickResult } from "../peers/redis-benchmark.js";
import type { LoopResult } from "./closed-loop.js";
import type { SubjectProcess } from "./subject-process.js";
import type { RoundOrder } from "./subject-protocol.js";
import type { Subjects } from "./subjects.js";
import { type Workload, yardstickCommands } from "./workload.js";

/** From here on a clock read per operation would weigh on the throughput: it is measured in rounds of its own. */
const SEPARATE_ROUNDS_FROM = 1000;
const TIMED_SHARE = 0.5;
const TIMED_ROUNDS = 3;
/**
 * A round runs for this share of its length before it counts, for every subject alike: after the rounds of the others
 * processor caches are theirs, and V8, which has seen an idle process, begins with a full collection.
 */
const WARM_UP_SHARE = 0.5;
/** For the length of the yardstick's first round only; those after go by what it did in it. */
const YARDSTICK_GUESS_PER_SEC = 600_000;

export interface CellOptions {
  readonly roundMs: number;
  readonly names: readonly string[];
  /** A value of the load, for the yardstick. */
  readonly sampleValue: string;
  readonly progress: (text: string) => void;
}

interface SubjectRounds {
  readonly subject: SubjectProcess;
  readonly throughput: LoopResult[];
  errors: number;
}

/** Measures one workload with every subject: round robin, another one first in every round, the median counts. */
export async function measureCell(workload: Workload, subjects: Subjects, options: CellOptions): Promise<Comparison[]> {
  const rounds: SubjectRounds[] = subjects
    .chosen(options.names)
    .map((subject) => ({ subject, throughput: [], errors: 0 }));
  const yardstick = options.names.includes(YARDSTICK) && workload.inFlight >= 1000 ? subjects.yardstick : null;
  const yardstickResults: YardstickResult[][] = [];
  if (workload.operation !== "put-ttl") await subjects.load(workload.input, options.names);
  const order = roundOrder(workload, options.roundMs);
  for (const entry of rounds) entry.errors += await entry.subject.ask("begin", { workload: workload.name });
  for (let round = 0; round < workload.rounds; round++) {
    for (let turn = 0; turn < rounds.length; turn++) {
      const entry = rounds[(round + turn) % rounds.length]!;
      options.progress(`${workload.name}  round ${round + 1}/${workload.rounds}  ${entry.subject.name}`);
      const result = await entry.subject.ask("round", order);
      entry.throughput.push(result);
      entry.errors += result.errors;
    }
    if (yardstick !== null) {
      options.progress(`${workload.name}  round ${round + 1}/${workload.rounds}  ${YARDSTICK}`);
      const before = yardstickResults.at(-1);
      const results: YardstickResult[] = [];
      for (const [index, command] of yardstickCommands(workload, options.sampleValue).entries()) {
        const rate = before?.[index]?.opsPerSec ?? YARDSTICK_GUESS_PER_SEC;
        results.push(await yardstick.run(command, Math.ceil((rate * order.durationMs) / 1000)));
      }
      yardstickResults.push(results);
    }
  }
  // After all others: code that is compiled for both loops in turn serves neither well.
  if (!order.isTimed) {
    const timed = { durationMs: order.durationMs * TIMED_SHARE, warmUpMs: 0, isTimed: true };
    for (let round = 0; round < TIMED_ROUNDS; round++) {
      for (const entry of rounds) entry.errors += (await entry.subject.ask("round", timed)).errors;
    }
  }
  const comparisons: Comparison[] = [];
  for (const entry of rounds) {
    comparisons.push(subjectComparison(workload.name, entry, await entry.subject.ask("end", {})));
  }
  if (yardstickResults.length > 0) comparisons.push(yardstickComparison(workload.name, yardstickResults));
  return comparisons;
}

function roundOrder(workload: Workload, usualMs: number): RoundOrder {
  const durationMs = usualMs * workload.roundShare;
  return { durationMs, warmUpMs: durationMs * WARM_UP_SHARE, isTimed: workload.inFlight < SEPARATE_ROUNDS_FROM };
}

function subjectComparison(
  workload: string,
  { subject, throughput, errors }: SubjectRounds,
  latency: LatencySummary,
): Comparison {
  return {
    workload,
    subject: subject.name,
    opsPerSec: median(throughput.map((round) => round.opsPerSec)),
    p50Us: latency.p50Us,
    p99Us: latency.p99Us,
    p999Us: latency.p999Us,
    cpuUsPerOp: median(throughput.map((round) => round.cpuUsPerOp)),
    errors,
    meanUs: latency.meanUs,
    maxUs: latency.maxUs,
    rounds: throughput.map((round) => Math.round(round.opsPerSec)),
  };
}

/** For a mix of two commands its throughput is the mean of theirs: each has half of the operations. */
function yardstickComparison(workload: string, rounds: YardstickResult[][]): Comparison {
  const mean = (read: (result: YardstickResult) => number): number[] =>
    rounds.map((results) => results.reduce((sum, result) => sum + read(result), 0) / results.length);
  return {
    workload,
    subject: YARDSTICK,
    opsPerSec: median(mean((result) => result.opsPerSec)),
    p50Us: median(mean((result) => result.p50Us)),
    p99Us: median(mean((result) => result.p99Us)),
    p999Us: null,
    cpuUsPerOp: null,
    errors: 0,
    meanUs: median(mean((result) => result.meanUs)),
    maxUs: median(mean((result) => result.maxUs)),
    rounds: mean((result) => result.opsPerSec).map(Math.round),
  };
}

export function subjectsOf(workload: Workload, chosen: readonly string[] | null, all: readonly string[]): string[] {
  if (chosen !== null) return [...chosen];
  return workload.subjects === "all" ? [...all] : all.filter((name) => workload.subjects.includes(name));
}
