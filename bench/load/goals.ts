import { type Comparison, isOpenLoop, judge, type Target } from "../lib/report.js";
import { MILLRACE, YARDSTICK } from "../peers/all-peers.js";

const SOURCE = "side by side in this run";

type Figure = "opsPerSec" | "p50Us";

/** How millrace must stand beside the others: ratios of medians within one run, so that they hold on any machine. */
export function measureGoals(comparisons: readonly Comparison[]): Target[] {
  const find = (workload: string, subject: string): Comparison | undefined =>
    comparisons.find((row) => row.workload === workload && row.subject === subject);
  const goals: Target[] = [];
  const add = (id: string, title: string, goal: number, measured: number | null, bound: Target["bound"]): void => {
    goals.push(judge({ id, title, source: SOURCE, goal, bound, unit: "x", measured }));
  };
  const versus = (workload: string, other: string, figure: Figure = "opsPerSec"): number | null => {
    const own = find(workload, MILLRACE)?.[figure] ?? null;
    const theirs = find(workload, other)?.[figure] ?? null;
    return own === null || theirs === null || theirs === 0 ? null : own / theirs;
  };
  const faster = (id: string, workload: string, other: string, goal: number): void =>
    add(id, `${workload}: ops/s against ${other}`, goal, versus(workload, other), "at least");

  faster("M1.put", "put-100B@1000", YARDSTICK, 1.1);
  faster("M1.put-auto", "put-100B@1000", "ioredis-auto", 6);
  faster("M1.get", "get-100B@1000", YARDSTICK, 1);
  faster("M1.get-auto", "get-100B@1000", "ioredis-auto", 5.5);
  faster("M1.put-ttl", "put-ttl-100B@1000", YARDSTICK, 0.95);
  faster("M1.put-ttl-auto", "put-ttl-100B@1000", "iovalkey-auto", 3.5);
  faster("M1.mixed", "mixed-zipf-100B@1000", YARDSTICK, 1.4);
  for (const inFlight of [1, 10, 100]) {
    for (const operation of ["get", "put"]) {
      const workload = `${operation}-100B@${inFlight}`;
      const goal = inFlight === 100 ? 0.35 : 1.05;
      const title = `${workload}: p50 against plain ioredis`;
      add(`M1.p50-${operation}-${inFlight}`, title, goal, versus(workload, "ioredis", "p50Us"), "at most");
    }
  }
  for (const size of ["1KiB", "16KiB"]) {
    const closest = closestRace(comparisons, size);
    const where =
      closest === null
        ? ""
        : ` (${closest.ratio < 1 ? "farthest behind" : "closest"}: ${closest.workload} against ${closest.subject})`;
    add(`M1.${size}`, `${size}: ahead of every peer in every cell${where}`, 1, closest?.ratio ?? null, "at least");
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

/** The cell of this value size in which the lead over another client is smallest. */
function closestRace(
  comparisons: readonly Comparison[],
  size: string,
): { ratio: number; workload: string; subject: string } | null {
  let closest: { ratio: number; workload: string; subject: string } | null = null;
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
    const ratio = own.opsPerSec / row.opsPerSec;
    if (closest === null || ratio < closest.ratio) closest = { ratio, workload: row.workload, subject: row.subject };
  }
  return closest;
}
