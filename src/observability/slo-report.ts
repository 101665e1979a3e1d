export interface SloObjective {
  readonly operation: string;
  readonly percentile: number;
  readonly latencyMs: number;
}

/** How fast an error budget was spent in a window of time. */
export interface SloWindow {
  /** "5m", "30m", "1h", "6h" or "3d". */
  readonly window: string;
  readonly total: number;
  readonly bad: number;
  /** 1: as fast as would use up the budget exactly at the end of the period; 0: no operations. */
  readonly burnRate: number;
}

export type SloSeverity = "page" | "ticket";

export interface SloObjectiveReport extends SloObjective {
  /** Operations in the period, without those that their callers aborted. */
  readonly total: number;
  /** Those that failed or took longer than `latencyMs`. */
  readonly bad: number;
  /** Share of good operations, 0 to 1; 1: there were none. */
  readonly compliance: number;
  /** Whether the share is as high as the percentile demands. */
  readonly isMet: boolean;
  /** What `percentile` per cent of the operations of the last five minutes did not exceed, in ms. */
  readonly measuredMs: number;
  /** Share of bad operations that the objective allows. */
  readonly budget: number;
  /** Share of the budget that is left: 1 untouched, 0 used up, below 0 overdrawn. */
  readonly budgetRemaining: number;
  readonly windows: readonly SloWindow[];
  /** Set while the budget burns at a rate that is to be acted upon. */
  readonly burning: SloSeverity | null;
}

export interface SloReport {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The period of the error budget is 30 days; so much of it this engine has been running. */
  readonly coveredMs: number;
  readonly isMet: boolean;
  readonly objectives: readonly SloObjectiveReport[];
}

/** A budget begins or ceases to burn. */
export interface SloBurn {
  readonly state: "burning" | "recovered";
  readonly severity: SloSeverity;
  readonly objective: SloObjective;
  /** The windows that decide, and the rate in both at which they do. */
  readonly longWindow: string;
  readonly shortWindow: string;
  readonly threshold: number;
  readonly longBurnRate: number;
  readonly shortBurnRate: number;
  readonly budgetRemaining: number;
}

/** The report as lines of text, for terminals and logs. */
export function formatSloReport(report: SloReport): string {
  if (report.objectives.length === 0) return "no objectives (option slo)";
  const lines = report.objectives.map((objective) => {
    const { operation, percentile, latencyMs, total, compliance, measuredMs, burning } = objective;
    const verdict = objective.isMet ? "met" : "MISSED";
    const rates = objective.windows.map(({ window, burnRate }) => `${window} ${shortNumber(burnRate)}`).join(", ");
    return [
      `${operation} p${percentile} <= ${latencyMs} ms: ${verdict}`,
      `  ${percent(compliance)} of ${total.toLocaleString("en-US")} operations good, ${percent(percentile / 100)} wanted`,
      `  p${percentile} of the last five minutes ${shortNumber(measuredMs)} ms`,
      `  error budget left ${percent(objective.budgetRemaining)}, burn rates ${rates}`,
      ...(burning === null ? [] : [`  BURNING (${burning})`]),
    ].join("\n");
  });
  return lines.join("\n");
}

function percent(share: number): string {
  return `${shortNumber(share * 100)} %`;
}

function shortNumber(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value);
}
