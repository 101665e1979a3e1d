import { pairedInterval, pairedRatio, type Rounds } from "../lib/paired.js";
import { type Comparison, isOpenLoop, judge, type Target } from "../lib/report.js";
import { MILLRACE, YARDSTICK } from "../peers/all-peers.js";
import type { Workload } from "./workload.js";

const SOURCE = "side by side in this run";
const TOO_CLOSE = "too close to tell";

/** By which factor millrace is to be ahead of another subject in a cell. */
const FASTER = [
  { id: "M1.put", workload: "put-100B@1000", other: YARDSTICK, goal: 1.1 },
  { id: "M1.put-auto", workload: "put-100B@1000", other: "ioredis-auto", goal: 6 },
  { id: "M1.get", workload: "get-100B@1000", other: YARDSTICK, goal: 1 },
  { id: "M1.get-auto", workload: "get-100B@1000", other: "ioredis-auto", goal: 5.5 },
  { id: "M1.put-ttl", workload: "put-ttl-100B@1000", other: YARDSTICK, goal: 0.95 },
  { id: "M1.put-ttl-auto", workload: "put-ttl-100B@1000", other: "iovalkey-auto", goal: 3.5 },
  { id: "M1.mixed", workload: "mixed-zipf-100B@1000", other: YARDSTICK, goal: 1.4 },
] as const;
const PLAIN = "ioredis";
/** By which factor its median latency is to be that of plain ioredis at most. */
const LATENCY_CELLS = [1, 10, 100].flatMap((inFlight) =>
  ["get", "put"].map((operation) => ({
    id: `M1.p50-${operation}-${inFlight}`,
    name: `${operation}-100B@${inFlight}`,
    goal: inFlight === 100 ? 0.35 : 1.05,
  })),
);
/** Values of these sizes: ahead of every other client in every cell. */
const EVERY_CELL_OF = ["1KiB", "16KiB"] as const;

/** The factor that a goal asks for here; undefined: none does. */
function factorAskedFor(workload: string, other: string): number | undefined {
  const goal = FASTER.find((candidate) => candidate.workload === workload && candidate.other === other);
  if (goal !== undefined) return goal.goal;
  return other !== YARDSTICK && EVERY_CELL_OF.some((size) => workload.includes(`-${size}@`)) ? 1 : undefined;
}

/** Whether a goal asks how millrace stands beside this subject here. */
export function hasGoal(workload: string, other: string): boolean {
  return other !== MILLRACE && factorAskedFor(workload, other) !== undefined;
}

/** Those that no goal is about are in the table alone, for which fewer rounds will do. */
export function roundsOf({ name, rounds, tableRounds }: Workload, subject: string): number {
  return subject === MILLRACE || hasGoal(name, subject) || isLatencyPeer(name, subject)
    ? rounds
    : Math.min(rounds, tableRounds);
}

/** Whether the rounds of both do not tell on which side of a goal they lie. */
export function isTooCloseToTell(workload: string, own: Rounds, other: Rounds, otherName: string): boolean {
  const goal = factorAskedFor(workload, otherName);
  if (goal === undefined) return false;
  const [low, high] = pairedInterval(own, other);
  return low < goal && high >= goal;
}

/** How millrace must stand beside the others: medians of ratios round by round within one run, so that they hold on any machine. */
export function measureGoals(comparisons: readonly Comparison[]): Target[] {
  const find = (workload: string, subject: string): Comparison | undefined =>
    comparisons.find((row) => row.workload === workload && row.subject === subject);
  const goals: Target[] = [];
  const add = (
    id: string,
    title: string,
    goal: number,
    measured: number | null,
    bound: Target["bound"],
    isClose = false,
  ): void => {
    const note = isClose ? { note: TOO_CLOSE } : {};
    goals.push(judge({ id, title, source: SOURCE, goal, bound, unit: "x", measured, ...note }));
  };
  for (const { id, workload, other, goal } of FASTER) {
    const own = find(workload, MILLRACE);
    const theirs = find(workload, other);
    const ratio = own === undefined || theirs === undefined ? null : pairedRatio(own, theirs);
    const isClose = ratio !== null && isTooCloseToTell(workload, own!, theirs!, other);
    add(id, `${workload}: ops/s against ${other}`, goal, ratio, "at least", isClose);
  }
  for (const { id, name, goal } of LATENCY_CELLS) {
    const own = find(name, MILLRACE)?.p50Us ?? null;
    const theirs = find(name, PLAIN)?.p50Us ?? null;
    const ratio = own === null || theirs === null || theirs === 0 ? null : own / theirs;
    add(id, `${name}: p50 against plain ioredis`, goal, ratio, "at most");
  }
  for (const size of EVERY_CELL_OF) {
    const closest = closestRace(comparisons, size);
    const where =
      closest === null
        ? ""
        : ` (${closest.ratio < 1 ? "farthest behind" : "closest"}: ${closest.workload} against ${closest.subject})`;
    add(
      `M1.${size}`,
      `${size}: ahead of every peer in every cell${where}`,
      1,
      closest?.ratio ?? null,
      "at least",
      closest?.isClose,
    );
  }
  const errors = comparisons.reduce((sum, row) => sum + row.errors, 0);
  const counted = comparisons.length === 0 ? null : errors;
  goals.push(
    judge({
      id: "M1.errors",
      title: "errors of all subjects",
      source: SOURCE,
      goal: 0,
      bound: "at most",
      unit: "",
      measured: counted,
    }),
  );
  return goals.filter((goal) => goal.measured !== null);
}

interface Race {
  readonly ratio: number;
  readonly workload: string;
  readonly subject: string;
  readonly isClose: boolean;
}

/** The cell of this value size in which the lead over another client is smallest. */
function closestRace(comparisons: readonly Comparison[], size: string): Race | null {
  let closest: Race | null = null;
  for (const row of comparisons) {
    if (
      !row.workload.includes(`-${size}@`) ||
      isOpenLoop(row.workload) ||
      row.subject === MILLRACE ||
      row.subject === YARDSTICK
    )
      continue;
    const own = comparisons.find((other) => other.workload === row.workload && other.subject === MILLRACE);
    if (own === undefined) continue;
    const ratio = pairedRatio(own, row);
    if (closest !== null && ratio >= closest.ratio) continue;
    const { workload, subject } = row;
    closest = { ratio, workload, subject, isClose: isTooCloseToTell(workload, own, row, subject) };
  }
  return closest;
}

function isLatencyPeer(workload: string, subject: string): boolean {
  return subject === PLAIN && LATENCY_CELLS.some(({ name }) => name === workload);
}
