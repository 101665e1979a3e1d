import { collectGarbage, collectYoungGarbage } from "../lib/garbage.js";
import { LatencyRecorder } from "../lib/latency-recorder.js";
import { median } from "../lib/median.js";
import type { Comparison } from "../lib/report.js";
import { YARDSTICK } from "../peers/all-peers.js";
import type { Peer } from "../peers/peer.js";
import type { YardstickResult } from "../peers/redis-benchmark.js";
import { type LoopResult, runClosedLoop } from "./closed-loop.js";
import { type Inputs, keyOf } from "./inputs.js";
import type { Subjects } from "./subjects.js";
import { bindOperation, TTL_MS, type Workload, yardstickCommands } from "./workload.js";

/** From here on a clock read per operation would weigh on the throughput: it is measured in rounds of its own. */
const SEPARATE_ROUNDS_FROM = 1000;
const WARM_UP_MS = 60;
const LATENCY_SHARE = 0.5;
/** For the length of the yardstick's first round only; those after go by what it did in it. */
const YARDSTICK_GUESS_PER_SEC = 600_000;

export interface CellOptions {
  readonly roundMs: number;
  readonly names: readonly string[];
  readonly progress: (text: string) => void;
}

class SubjectRounds {
  readonly peer: Peer;
  readonly recorder = new LatencyRecorder();
  readonly throughput: LoopResult[] = [];
  errors = 0;

  constructor(peer: Peer) {
    this.peer = peer;
  }

  comparison(workload: string): Comparison {
    const latency = this.recorder.summary();
    return {
      workload,
      subject: this.peer.name,
      opsPerSec: median(this.throughput.map((round) => round.opsPerSec)),
      p50Us: latency.p50Us,
      p99Us: latency.p99Us,
      p999Us: latency.p999Us,
      cpuUsPerOp: median(this.throughput.map((round) => round.cpuUsPerOp)),
      errors: this.errors,
      meanUs: latency.meanUs,
      maxUs: latency.maxUs,
      rounds: this.throughput.map((round) => Math.round(round.opsPerSec)),
    };
  }
}

/** Measures one workload with every subject: round robin, another one first in every round, the median counts. */
export async function measureCell(
  workload: Workload,
  inputs: Inputs,
  subjects: Subjects,
  options: CellOptions,
): Promise<Comparison[]> {
  const rounds = subjects.clients
    .filter((client) => options.names.includes(client.name))
    .map((client) => new SubjectRounds(client));
  const yardstick = options.names.includes(YARDSTICK) && workload.inFlight >= 1000 ? subjects.yardstick : null;
  const yardstickResults: YardstickResult[][] = [];
  if (workload.operation !== "put-ttl") await subjects.load(inputs, options.names);
  const roundMs = options.roundMs * workload.roundShare;
  collectGarbage();
  for (const subject of rounds) {
    subject.errors += await misreadings(subject.peer, inputs);
    await closedLoop(workload, inputs, subject.peer, WARM_UP_MS);
  }
  for (let round = 0; round < workload.rounds; round++) {
    for (let turn = 0; turn < rounds.length; turn++) {
      const subject = rounds[(round + turn) % rounds.length]!;
      options.progress(`${workload.name}  round ${round + 1}/${workload.rounds}  ${subject.peer.name}`);
      collectYoungGarbage();
      await measureRound(workload, inputs, subject, roundMs);
    }
    if (yardstick !== null) {
      options.progress(`${workload.name}  round ${round + 1}/${workload.rounds}  ${YARDSTICK}`);
      const before = yardstickResults.at(-1);
      const results: YardstickResult[] = [];
      for (const [index, command] of yardstickCommands(workload, inputs).entries()) {
        const rate = before?.[index]?.opsPerSec ?? YARDSTICK_GUESS_PER_SEC;
        results.push(await yardstick.run(command, Math.ceil((rate * roundMs) / 1000)));
      }
      yardstickResults.push(results);
    }
  }
  const comparisons = rounds.map((subject) => subject.comparison(workload.name));
  if (yardstickResults.length > 0) comparisons.push(yardstickComparison(workload.name, yardstickResults));
  return comparisons;
}

/** Under load a round runs for this share of its length before it counts, for every subject alike. */
const WARM_UP_SHARE = 0.5;

async function measureRound(
  workload: Workload,
  inputs: Inputs,
  subject: SubjectRounds,
  roundMs: number,
): Promise<void> {
  const { peer, recorder } = subject;
  const separate = workload.inFlight >= SEPARATE_ROUNDS_FROM;
  const throughput = separate
    ? await closedLoop(workload, inputs, peer, roundMs, undefined, roundMs * WARM_UP_SHARE)
    : await closedLoop(workload, inputs, peer, roundMs, recorder);
  subject.throughput.push(throughput);
  subject.errors += throughput.errors;
  if (separate) {
    const timed = await closedLoop(workload, inputs, peer, roundMs * LATENCY_SHARE, recorder);
    subject.errors += timed.errors;
  }
}

function closedLoop(
  workload: Workload,
  inputs: Inputs,
  peer: Peer,
  durationMs: number,
  recorder?: LatencyRecorder,
  warmUpMs = 0,
): Promise<LoopResult> {
  return runClosedLoop({
    issue: bindOperation(workload.operation, peer, inputs),
    inFlight: workload.inFlight,
    durationMs,
    warmUpMs,
    ...(recorder === undefined ? {} : { recorder }),
  });
}

/** Speed without right answers is worth nothing: writes some values, reads them back, counts what differs. */
async function misreadings(peer: Peer, inputs: Inputs): Promise<number> {
  const samples = inputs.values.slice(0, 20).map((value, index) => [keyOf("probe", index), value] as const);
  let wrong = 0;
  await Promise.all(samples.map(([key, value]) => peer.putWithTtl(key, value, TTL_MS)));
  await Promise.all(
    samples.map(async ([key, value]) => {
      const read = await peer.get(key);
      if (read === null || Buffer.from(read as Uint8Array).toString() !== value) wrong++;
    }),
  );
  return wrong;
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
