import { formatNumber, formatRate, formatUs } from "./numbers.js";
import type { Comparison, Environment, Target, Verdict } from "./report.js";
import { formatTable } from "./table.js";

type Setting = Environment["settings"][string];

export function environmentText(environment: Environment): string {
  const { millrace, commit, node, cpus, cores, memoryGiB, os, redis, backend, peers, settings } = environment;
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}`);
  return [
    `millrace ${millrace}${commit === null ? "" : ` (${commit})`} on ${backend}${redis === null ? "" : `, ${redis}`}`,
    `node ${node}, ${cores} x ${cpus}, ${memoryGiB} GiB, ${os}, load ${environment.loadAverage}`,
    ...(versions.length === 0 ? [] : [versions.join(", ")]),
    ...(settings.openMs === undefined
      ? []
      : [`runs of ${settings.openMs} ms at ${settings.rate} ops/s offered, one client at a time`]),
    ...(settings.roundMs === undefined ? [] : methodText(settings.roundMs, settings.rate)),
  ].join("\n");
}

/** How the cells are measured; parts of the bench without cells have their own ways. */
function methodText(roundMs: Setting, rate: Setting | undefined): string[] {
  const load = rate === "closed loop" ? "closed loop" : `${rate} ops/s offered`;
  return [
    `rounds of ${roundMs} ms, ${load}; every client in a process and thread of its own, one at a time`,
    "1000 in flight: ops/s and CPU come from rounds without clocks, latency from rounds of its own",
  ];
}

export function comparisonText(title: string, rows: readonly Comparison[]): string {
  const own = rows.find((row) => row.subject.startsWith("millrace"));
  const withMain = rows.some((row) => row.mainCpuUsPerOp !== undefined);
  const cells = rows.map((row) => [
    row.subject,
    formatRate(row.opsPerSec),
    own === undefined || row === own ? "" : `${(own.opsPerSec / row.opsPerSec).toFixed(2)}x`,
    formatUs(row.p50Us),
    formatUs(row.p99Us),
    formatUs(row.p999Us),
    row.cpuUsPerOp === null ? "-" : `${row.cpuUsPerOp.toFixed(2)} us`,
    ...(withMain ? mainCells(row) : []),
    String(row.errors),
  ]);
  const header = [rows[0]?.workload ?? "", "ops/s", own?.subject ?? "", "p50", "p99", "p99.9", "CPU/op"];
  header.push(...(withMain ? ["main thread/op", "loop delay p99"] : []), "errors");
  return `\n${title}\n${formatTable(header, cells)}`;
}

function mainCells({ mainCpuUsPerOp, loopDelayP99Ms }: Comparison): string[] {
  return [
    mainCpuUsPerOp === undefined ? "-" : `${mainCpuUsPerOp.toFixed(2)} us`,
    loopDelayP99Ms === undefined ? "-" : `${loopDelayP99Ms.toFixed(1)} ms`,
  ];
}

const SIGNS: Record<Target["bound"], string> = { "at least": ">=", "at most": "<=", below: "<" };

export function targetsText(targets: readonly Target[]): string {
  const rows = targets.map((target) => [
    target.id,
    target.note === undefined ? target.title : `${target.title} (${target.note})`,
    target.source,
    `${SIGNS[target.bound]} ${formatNumber(target.goal)} ${target.unit}`.trimEnd(),
    target.measured === null ? "-" : `${formatNumber(target.measured)} ${target.unit}`.trimEnd(),
    target.pass === null ? "not measured" : target.pass ? "met" : "MISSED",
  ]);
  return formatTable(["id", "target", "source", "goal", "measured", ""], rows, [0, 1, 2, 5]);
}

export function verdictsText(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((verdict) => [verdict.title, verdict.measured, verdict.pass ? "met" : "MISSED"]);
  return formatTable(["objective", "measured", ""], rows, [0, 1, 2]);
}
