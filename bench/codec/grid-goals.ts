import { pairedInterval, pairedRatio } from "../lib/paired.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import { cellName, type GridCell } from "./grid-cells.js";

const SOURCE = "side by side in this run";
/** Of the better way's throughput. */
const CLOSE = 0.95;
/** Enough where the main thread is freed of half its work. */
const CLOSE_ENOUGH = 0.9;
const HALF = 0.5;
const PROMPT_MS = 5;
const PROMPT_UP_TO_BYTES = 256 * 1024;

/** One cell of the grid, the automatic choice beside both ways. */
export interface CellResult {
  readonly cell: GridCell;
  readonly auto: Comparison;
  readonly never: Comparison;
  readonly always: Comparison;
}

export interface CellVerdict {
  readonly better: "never" | "always";
  readonly ratio: number;
  /** Between which the true ratio lies, as far as the rounds tell. */
  readonly interval: readonly [low: number, high: number];
  readonly required: number;
  /** The rounds tell on which side of what is required it lies. */
  readonly isDecided: boolean;
}

/** How the automatic choice stands beside the better way, and how it must stand. */
export function judgeCell({ auto, never, always }: CellResult): CellVerdict {
  const better = never.opsPerSec >= always.opsPerSec ? "never" : "always";
  const best = better === "never" ? never : always;
  const required = mainUs(auto) <= HALF * mainUs(best) ? CLOSE_ENOUGH : CLOSE;
  const interval = pairedInterval(auto, best);
  const isDecided = interval[0] >= required || interval[1] < required;
  return { better, ratio: pairedRatio(auto, best), interval, required, isDecided };
}

export function mainUs(row: Comparison): number {
  return row.mainCpuUsPerOp ?? Number.NaN;
}

export function delayMs(row: Comparison): number {
  return row.loopDelayP99Ms ?? Number.NaN;
}

/** One target per store and goal: its worst cell. */
export function gridGoals(results: readonly CellResult[]): Target[] {
  const goals: Target[] = [];
  for (const store of ["memory", "redis"] as const) {
    const own = results.filter(({ cell }) => cell.store === store);
    if (own.length > 0) goals.push(throughputGoal(store, own));
    const prompt = own.filter(({ cell }) => cell.bytes <= PROMPT_UP_TO_BYTES);
    if (prompt.length > 0) goals.push(delayGoal(store, prompt));
  }
  return goals;
}

function throughputGoal(store: string, results: readonly CellResult[]): Target {
  const verdicts = results.map((result) => ({ result, ...judgeCell(result) }));
  const worst = verdicts.reduce((a, b) => (b.ratio / b.required < a.ratio / a.required ? b : a));
  const met = verdicts.filter(({ ratio, required }) => ratio >= required).length;
  const undecided = verdicts.filter(({ isDecided }) => !isDecided).length;
  return judge({
    ...{ id: `M2.auto-${store}`, source: SOURCE, goal: worst.required, bound: "at least", unit: "x" },
    title: `ops/s of offload auto against the better of never and always, worst cell on ${store}`,
    measured: worst.ratio,
    note: `${shortName(worst.result.cell)} against ${worst.better}; ${met} of ${results.length} cells meet it, ${undecided} are too close to tell`,
  });
}

function delayGoal(store: string, results: readonly CellResult[]): Target {
  const delay = ({ auto }: CellResult): number => delayMs(auto);
  const worst = results.reduce((a, b) => (delay(b) > delay(a) ? b : a));
  const met = results.filter((result) => delay(result) < PROMPT_MS).length;
  return judge({
    ...{ id: `M2.loop-${store}`, source: SOURCE, goal: PROMPT_MS, bound: "below", unit: "ms" },
    title: `event-loop delay p99 up to 256 KiB, worst cell on ${store}`,
    measured: delay(worst),
    note: `${shortName(worst.cell)}, inline ${delayMs(worst.never).toFixed(1)} ms; ${met} of ${results.length} cells meet it`,
  });
}

function shortName(cell: GridCell): string {
  return cellName(cell).split("/").slice(2).join(" ");
}
