import { percentileOfCounts } from "./latency-summary.js";
import { slotOf } from "./log-linear.js";
import type { OperationMeters } from "./operation-meters.js";
import type { SparseCounts } from "./sliding-counts.js";
import { SlidingTotal } from "./sliding-total.js";
import type { SloBurn, SloObjective, SloObjectiveReport, SloReport, SloSeverity } from "./slo-report.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const PERIOD_MS = 30 * DAY_MS;
const RECENT_MS = 5 * MINUTE_MS;

const WINDOWS = [
  { name: "5m", spanMs: 5 * MINUTE_MS, slices: 30 },
  { name: "30m", spanMs: 30 * MINUTE_MS, slices: 30 },
  { name: "1h", spanMs: HOUR_MS, slices: 60 },
  { name: "6h", spanMs: 6 * HOUR_MS, slices: 72 },
  { name: "3d", spanMs: 3 * DAY_MS, slices: 72 },
] as const;
type WindowName = (typeof WINDOWS)[number]["name"];

interface BurnRule {
  readonly severity: SloSeverity;
  readonly long: WindowName;
  readonly short: WindowName;
  readonly threshold: number;
}

/**
 * Multiwindow, multi-burn-rate rules of the Site Reliability Workbook, chapter 5, table 5-8: 2 % of a budget of 30 days
 * in an hour, 5 % in six hours, 10 % in three days; the short window has to agree, so that it ends when the burning does.
 */
const BURN_RULES: readonly BurnRule[] = [
  { severity: "page", long: "1h", short: "5m", threshold: 14.4 },
  { severity: "page", long: "6h", short: "30m", threshold: 6 },
  { severity: "ticket", long: "3d", short: "6h", threshold: 1 },
];

/** Fewer bad operations than this in the short window are no pattern: one of three would be a burn rate of 33. */
const LEAST_BAD = 10;

/** Failures since the counts were drained last, as corrections of what the histogram says of them. */
interface Corrections {
  total: number;
  bad: number;
}

class ObjectiveTracker {
  readonly objective: SloObjective;
  readonly operation: number;
  readonly #lastGoodSlot: number;
  readonly #budget: number;
  readonly #period = new SlidingTotal(PERIOD_MS, 120);
  readonly #windows = new Map(WINDOWS.map(({ name, spanMs, slices }) => [name, new SlidingTotal(spanMs, slices)]));
  readonly #corrections: Corrections = { total: 0, bad: 0 };
  readonly #burning = new Set<BurnRule>();

  constructor(objective: SloObjective, operation: number) {
    this.objective = objective;
    this.operation = operation;
    this.#lastGoodSlot = slotOf(Math.floor(objective.latencyMs * 1000));
    // Without what binary fractions add: 100 - 99.9 is not quite 0.1.
    this.#budget = Math.round((100 - objective.percentile) * 1e6) / 1e8;
  }

  failed(elapsedUs: number, wasAborted: boolean): void {
    const isInTime = slotOf(Math.max(0, elapsedUs)) <= this.#lastGoodSlot;
    if (wasAborted) this.#corrections.total--;
    if (isInTime && !wasAborted) this.#corrections.bad++;
    if (!isInTime && wasAborted) this.#corrections.bad--;
  }

  add({ slots, counts }: SparseCounts, startMs: number): void {
    let total = this.#corrections.total;
    let bad = this.#corrections.bad;
    this.#corrections.total = 0;
    this.#corrections.bad = 0;
    for (let i = 0; i < slots.length; i++) {
      total += counts[i]!;
      if (slots[i]! > this.#lastGoodSlot) bad += counts[i]!;
    }
    this.#period.add(startMs, total, bad);
    for (const window of this.#windows.values()) window.add(startMs, total, bad);
  }

  /** Compares the windows with the rules and tells of what has changed. */
  judge(nowMs: number, tell: (burn: SloBurn) => void): void {
    for (const rule of BURN_RULES) {
      const long = this.#windows.get(rule.long)!.read(nowMs);
      const short = this.#windows.get(rule.short)!.read(nowMs);
      const longBurnRate = this.#burnRate(long);
      const shortBurnRate = this.#burnRate(short);
      const isAbove = longBurnRate >= rule.threshold && shortBurnRate >= rule.threshold;
      const burns = isAbove && short.bad >= LEAST_BAD;
      if (burns === this.#burning.has(rule)) continue;
      if (burns) this.#burning.add(rule);
      else this.#burning.delete(rule);
      tell({
        state: burns ? "burning" : "recovered",
        severity: rule.severity,
        objective: this.objective,
        longWindow: rule.long,
        shortWindow: rule.short,
        threshold: rule.threshold,
        longBurnRate,
        shortBurnRate,
        budgetRemaining: this.#budgetRemaining(this.#period.read(nowMs)),
      });
    }
  }

  report(nowMs: number, recent: Float64Array): SloObjectiveReport {
    const period = this.#period.read(nowMs);
    const compliance = period.total === 0 ? 1 : 1 - period.bad / period.total;
    const severities = [...this.#burning].map(({ severity }) => severity);
    return {
      ...this.objective,
      ...period,
      compliance,
      isMet: period.bad <= period.total * this.#budget,
      measuredMs: percentileOfCounts(recent, this.objective.percentile) / 1000,
      budget: this.#budget,
      budgetRemaining: this.#budgetRemaining(period),
      windows: WINDOWS.map(({ name }) => {
        const sum = this.#windows.get(name)!.read(nowMs);
        return { window: name, ...sum, burnRate: this.#burnRate(sum) };
      }),
      burning: severities.includes("page") ? "page" : (severities[0] ?? null),
    };
  }

  #burnRate({ total, bad }: { total: number; bad: number }): number {
    return bad === 0 ? 0 : bad / total / this.#budget;
  }

  #budgetRemaining({ total, bad }: { total: number; bad: number }): number {
    return bad === 0 ? 1 : 1 - bad / (total * this.#budget);
  }
}

/**
 * Holds operations against their objectives. What it needs is in the histograms already, so operations cost it nothing:
 * it looks at the counts of each second when that is over. Whether an operation was in time is known to 0.8 %.
 */
export class SloTracker {
  readonly #meters: OperationMeters;
  readonly #trackers: readonly ObjectiveTracker[];
  readonly #onBurn: (burn: SloBurn) => void;

  constructor(meters: OperationMeters, objectives: readonly SloObjective[], onBurn: (burn: SloBurn) => void) {
    this.#meters = meters;
    this.#onBurn = onBurn;
    this.#trackers = objectives.map(
      (objective) => new ObjectiveTracker(objective, meters.operations.indexOf(objective.operation)),
    );
    if (this.#trackers.length === 0) return;
    meters.onDrain((operation, counts, startMs) => {
      for (const tracker of this.#trackers) if (tracker.operation === operation) tracker.add(counts, startMs);
    });
  }

  /** A failed operation is a bad one, however fast it was; what a caller aborted does not count. */
  failed(operation: number, elapsedUs: number, wasAborted: boolean): void {
    for (const tracker of this.#trackers) {
      if (tracker.operation === operation) tracker.failed(elapsedUs, wasAborted);
    }
  }

  judge(nowMs: number): void {
    for (const tracker of this.#trackers) tracker.judge(nowMs, this.#onBurn);
  }

  /** To be called when the meters are drained. */
  report(nowMs: number, wallMs: number): SloReport {
    this.judge(nowMs);
    const objectives = this.#trackers.map((tracker) =>
      tracker.report(nowMs, this.#meters.latency[tracker.operation]!.window(nowMs, RECENT_MS)),
    );
    return {
      atMs: wallMs,
      coveredMs: Math.min(PERIOD_MS, nowMs - this.#meters.startedAtMs),
      isMet: objectives.every(({ isMet }) => isMet),
      objectives,
    };
  }
}
