/** What a run found, in the shape in which `--json` writes it. */
export interface BenchReport {
  readonly schema: 1;
  readonly environment: Environment;
  readonly targets: Target[];
  readonly comparisons: Comparison[];
  /** Objectives given by `--slo`, and the regressions found by `--baseline`. */
  readonly verdicts: Verdict[];
}

export interface Environment {
  readonly millrace: string;
  readonly commit: string | null;
  readonly date: string;
  readonly node: string;
  readonly v8: string;
  readonly cpus: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  /** One-minute load average when the run began: another busy process makes every figure worse. */
  readonly loadAverage: number;
  /** Share of the machine that processes outside this bench took while it measured; null: not known here. */
  readonly otherLoad: number | null;
  readonly redis: string | null;
  readonly backend: string;
  readonly peers: Record<string, string>;
  readonly settings: Record<string, string | number | boolean>;
}

export interface Target {
  readonly id: string;
  readonly title: string;
  /** Where the figure comes from: a published design, or a comparison within this run. */
  readonly source: string;
  readonly goal: number;
  readonly bound: "at least" | "at most" | "below";
  readonly unit: string;
  /** null: not measured in this run; `note` says why. */
  readonly measured: number | null;
  readonly pass: boolean | null;
  readonly note?: string;
}

export interface Comparison {
  readonly workload: string;
  readonly subject: string;
  readonly opsPerSec: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly p999Us: number | null;
  /** null: not a client of this process, or an open loop, which itself takes all of a processor. */
  readonly cpuUsPerOp: number | null;
  /** The main thread's share of it; only where that is the point. */
  readonly mainCpuUsPerOp?: number;
  /** How late the event loop was for timers under this load. */
  readonly loopDelayP99Ms?: number;
  readonly errors: number;
  readonly meanUs: number | null;
  readonly maxUs: number | null;
  /** Throughput of each round, in the order in which they ran. */
  readonly rounds: readonly number[];
}

export interface Verdict {
  readonly kind: "slo" | "baseline" | "check";
  readonly title: string;
  readonly measured: string;
  readonly pass: boolean;
}

export function judge(target: Omit<Target, "pass">): Target {
  const { measured, goal, bound } = target;
  if (measured === null) return { ...target, pass: null };
  const pass = bound === "at least" ? measured >= goal : bound === "at most" ? measured <= goal : measured < goal;
  return { ...target, pass };
}

/** A row whose operations were begun by the clock: its throughput is what was offered, its latency is what counts. */
export function isOpenLoop(workload: string): boolean {
  return workload.endsWith("/s");
}

/** A ratio beside others; unlike the published targets it does not fail a run, since it depends on the machine's mood. */
export function isGoal({ id }: Target): boolean {
  return id.startsWith("M");
}

/** Rows of our own with operations that failed or gave wrong values. */
export function failedRows({ comparisons }: BenchReport, ownSubject: string): readonly Comparison[] {
  return comparisons.filter((row) => row.subject.split(" ")[0] === ownSubject && row.errors > 0);
}

/** Published targets, objectives, regressions, and failed operations of our own. */
export function hasFailed(report: BenchReport, ownSubject: string): boolean {
  return (
    report.targets.some((target) => target.pass === false && !isGoal(target)) ||
    report.verdicts.some((verdict) => !verdict.pass) ||
    failedRows(report, ownSubject).length > 0
  );
}
