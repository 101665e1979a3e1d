import type { Comparison } from "../lib/report.js";
import type { SpareTime } from "../lib/spare-time.js";
import { MILLRACE, YARDSTICK } from "../peers/all-peers.js";
import { ClientRounds, type Contestant, YardstickRounds } from "./contestants.js";
import { hasGoal, isTooCloseToTell, roundsOf } from "./goals.js";
import type { RoundOrder } from "./subject-protocol.js";
import type { Subjects } from "./subjects.js";
import type { Workload } from "./workload.js";

/** From here on a clock read per operation would weigh on the throughput: it is measured in rounds of its own. */
const SEPARATE_ROUNDS_FROM = 1000;
const TIMED_SHARE = 0.5;
const TIMED_ROUNDS = 3;

export interface CellOptions {
  readonly roundMs: number;
  readonly names: readonly string[];
  /** A value of the load, for the yardstick. */
  readonly sampleValue: string;
  readonly spare: SpareTime;
  readonly progress: (text: string) => void;
}

/** Measures one workload with every subject: round robin, another one first in every round, the median counts. */
export async function measureCell(workload: Workload, subjects: Subjects, options: CellOptions): Promise<Comparison[]> {
  const order = roundOrder(workload, options.roundMs);
  const clients = subjects.chosen(options.names).map((subject) => new ClientRounds(subject, workload.name, order));
  const yardstick =
    subjects.yardstick !== null && options.names.includes(YARDSTICK) && workload.inFlight >= 1000
      ? new YardstickRounds(subjects.yardstick, workload, options.sampleValue, order.durationMs)
      : null;
  if (workload.operation !== "put-ttl") await subjects.load(workload.input, options.names);
  for (const client of clients) await client.begin();
  for (let round = 0; round < workload.rounds; round++) {
    const taking = clients.filter(({ name }) => round < roundsOf(workload, name));
    const rotated = taking.map((_, turn) => taking[(round + turn) % taking.length]!);
    const label = `${workload.name}  round ${round + 1}/${workload.rounds}`;
    await roundOf(yardstick === null ? rotated : [...rotated, yardstick], label, options);
  }
  await roundsOfClose(workload.name, yardstick === null ? clients : [...clients, yardstick], options);
  // After all others: code that is compiled for both loops in turn serves neither well.
  if (!order.isTimed) {
    const timed = { durationMs: order.durationMs * TIMED_SHARE, warmUpMs: 0, isTimed: true };
    for (let round = 0; round < TIMED_ROUNDS; round++) {
      for (const client of clients) await client.timedRound(timed);
    }
  }
  const comparisons: Comparison[] = [];
  for (const client of clients) comparisons.push(await client.end());
  if (yardstick !== null) comparisons.push(yardstick.comparison());
  return comparisons;
}

async function roundOf(
  contestants: readonly Contestant[],
  label: string,
  { progress }: Pick<CellOptions, "progress">,
): Promise<void> {
  for (const contestant of contestants) {
    progress(`${label}  ${contestant.name}`);
    await contestant.round();
  }
}

/** Millrace beside those only whose rounds do not tell yet, each first in every other round. */
export async function roundsOfClose(
  workload: string,
  contestants: readonly Contestant[],
  options: Pick<CellOptions, "spare" | "progress">,
): Promise<void> {
  const own = contestants.find(({ name }) => name === MILLRACE);
  let others = contestants.filter(({ name }) => hasGoal(workload, name));
  if (own === undefined || others.length === 0) return;
  await options.spare.spend(async () => {
    others = others.filter((other) => isTooCloseToTell(workload, own, other, other.name));
    if (others.length === 0) return false;
    const inTurn = own.rounds.length % 2 === 0 ? [own, ...others] : [...others, own];
    await roundOf(inTurn, `${workload}  round ${own.rounds.length + 1}, to tell`, options);
    return true;
  });
}

function roundOrder(workload: Workload, usualMs: number): RoundOrder {
  const durationMs = usualMs * workload.roundShare;
  return { durationMs, warmUpMs: durationMs * workload.warmUpShare, isTimed: workload.inFlight < SEPARATE_ROUNDS_FROM };
}
