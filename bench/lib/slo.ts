import { formatNumber } from "./numbers.js";
import type { Comparison, Verdict } from "./report.js";
import { UsageError } from "./usage-error.js";

const METRICS = { p50: "p50Us", p99: "p99Us", p999: "p999Us", mean: "meanUs", max: "maxUs" } as const;
const US_PER_UNIT: Record<string, number> = { us: 1, ms: 1000, s: 1e6 };
const COUNT_PER_UNIT: Record<string, number> = { "": 1, k: 1e3, M: 1e6 };
const SYNTAX =
  /^\s*([\w.@/-]+)\.(p50|p99|p99\.9|p999|mean|max|ops|errors|cpu)\s*(<=|<|>=|>)\s*(\d+(?:\.\d+)?)\s*(us|ms|s|k|M|)\s*$/;

export interface Slo {
  readonly text: string;
  /** An operation ("get"), judged under open-loop load, or the full name of a workload. */
  readonly target: string;
  readonly figure: keyof Comparison;
  readonly comparison: "<" | "<=" | ">" | ">=";
  readonly limit: number;
}

/** @throws UsageError that shows what an objective looks like */
export function parseSlo(text: string): Slo {
  const match = SYNTAX.exec(text);
  const [, target, metric, comparison, amount, unit] = match ?? [];
  const latency = metric !== undefined && !["ops", "errors", "cpu"].includes(metric);
  const scale = (latency || metric === "cpu" ? US_PER_UNIT : COUNT_PER_UNIT)[unit ?? "?"];
  if (target === undefined || metric === undefined || scale === undefined) {
    throw new UsageError(
      `--slo ${JSON.stringify(text)} is not understood; write for example "get.p99<1ms", "put-100B@1000.ops>=500k" ` +
        'or "get.errors<=0" (p50, p99, p99.9, mean, max and cpu need us, ms or s; ops may have k or M)',
    );
  }
  const figures: Record<string, keyof Comparison> = {
    ...METRICS,
    "p99.9": "p999Us",
    ops: "opsPerSec",
    errors: "errors",
    cpu: "cpuUsPerOp",
  };
  return {
    text: text.trim(),
    target,
    figure: figures[metric]!,
    comparison: comparison as Slo["comparison"],
    limit: Number(amount) * scale,
  };
}

export function judgeSlo(slo: Slo, row: Comparison | undefined): Verdict {
  const measured = row?.[slo.figure];
  if (row === undefined || typeof measured !== "number") {
    return { kind: "slo", title: slo.text, measured: "not measured", pass: false };
  }
  // Percentiles of nothing are 0, which any limit would allow.
  if (!(row.opsPerSec > 0)) {
    return { kind: "slo", title: slo.text, measured: `no operation came back in ${row.workload}`, pass: false };
  }
  const pass =
    slo.comparison === "<"
      ? measured < slo.limit
      : slo.comparison === "<="
        ? measured <= slo.limit
        : slo.comparison === ">"
          ? measured > slo.limit
          : measured >= slo.limit;
  const unit = slo.figure.endsWith("Us") || slo.figure === "cpuUsPerOp" ? " us" : "";
  return { kind: "slo", title: slo.text, measured: `${formatNumber(measured)}${unit} in ${row.workload}`, pass };
}
