import { readFile } from "node:fs/promises";
import { formatRate } from "./numbers.js";
import type { BenchReport, Comparison, Verdict } from "./report.js";
import { UsageError } from "./usage-error.js";

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

/** One verdict per workload that both runs measured with `subject`; fails when throughput fell by more than allowed. */
export function compareWithBaseline(
  comparisons: readonly Comparison[],
  baseline: readonly Comparison[],
  subject: string,
  maxRegression: number,
): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const row of comparisons) {
    if (row.subject !== subject) continue;
    const before = baseline.find((other) => other.workload === row.workload && other.subject === subject);
    if (before === undefined || !(before.opsPerSec > 0)) continue;
    const change = row.opsPerSec / before.opsPerSec - 1;
    const sign = change >= 0 ? "+" : "";
    verdicts.push({
      kind: "baseline",
      title: `${row.workload} at most ${(maxRegression * 100).toFixed(1)} % below the baseline`,
      measured: `${formatRate(row.opsPerSec)}/s, was ${formatRate(before.opsPerSec)}/s (${sign}${(change * 100).toFixed(1)} %)`,
      pass: change >= -maxRegression,
    });
  }
  return verdicts;
}
