import { readFile } from "node:fs/promises";
import { formatRate, formatUs } from "./numbers.js";
import { type BenchReport, type Comparison, isOpenLoop, type Verdict } from "./report.js";
import { UsageError } from "./usage-error.js";

const LATENCIES = [
  ["p50", "p50Us"],
  ["p99", "p99Us"],
] as const;

/** @throws UsageError when the file is not a report that `--json` wrote */
export async function readBaseline(file: string): Promise<Pick<BenchReport, "comparisons">> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new UsageError(`cannot read the baseline ${file}: ${(error as Error).message}`);
  }
  const report = parsed as Partial<BenchReport> | null;
  if (report?.schema !== 1 || !Array.isArray(report.comparisons)) {
    throw new UsageError(`${file} is not a report of schema 1 as --json writes it`);
  }
  return { comparisons: report.comparisons };
}

/**
 * Verdicts on the workloads that both runs measured with `subject`. In the closed loop throughput must not have fallen by
 * more than allowed; in the open loop it is what was offered, so there p50 and p99 must not have risen by more.
 */
export function compareWithBaseline(
  comparisons: readonly Comparison[],
  baseline: readonly Comparison[],
  subject: string,
  maxRegression: number,
): Verdict[] {
  const allowed = `${(maxRegression * 100).toFixed(1)} %`;
  const verdicts: Verdict[] = [];
  const add = (title: string, now: number, before: number, unit: (figure: number) => string, pass: boolean): void => {
    const change = (now / before - 1) * 100;
    const measured = `${unit(now)}, was ${unit(before)} (${change >= 0 ? "+" : ""}${change.toFixed(1)} %)`;
    verdicts.push({ kind: "baseline", title, measured, pass });
  };
  for (const row of comparisons) {
    if (row.subject !== subject) continue;
    const before = baseline.find((other) => other.workload === row.workload && other.subject === subject);
    if (before === undefined) continue;
    if (!isOpenLoop(row.workload)) {
      if (!(before.opsPerSec > 0)) continue;
      const pass = row.opsPerSec / before.opsPerSec - 1 >= -maxRegression;
      const title = `${row.workload} at most ${allowed} below the baseline`;
      add(title, row.opsPerSec, before.opsPerSec, (rate) => `${formatRate(rate)}/s`, pass);
      continue;
    }
    for (const [name, figure] of LATENCIES) {
      const [now, then] = [row[figure] ?? 0, before[figure] ?? 0];
      if (!(now > 0 && then > 0)) continue;
      const title = `${row.workload}, ${name} at most ${allowed} above the baseline`;
      add(title, now, then, formatUs, now <= then * (1 + maxRegression));
    }
  }
  return verdicts;
}
