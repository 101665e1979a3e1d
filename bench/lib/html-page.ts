import { escapeXml } from "./junit.js";
import { formatNumber, formatRate, formatUs } from "./numbers.js";
import type { BenchReport, Comparison, Target } from "./report.js";

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2327;--soft:#5b6770;--line:#d7dde2;--paper:#fff;--own:#0b7285;--other:#a9b4bd;--bad:#c92a2a;--good:#2b8a3e}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaed;--soft:#9aa7b1;--line:#39434b;--paper:#14181b;--own:#3bc9db;--other:#5c6a75;--bad:#ff8787;--good:#69db7c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;padding:1rem;max-width:60rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}h3{font-size:1rem;margin:1.5rem 0 .3rem}
p,li{color:var(--soft)}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child,td.text,th.text{text-align:left}td.text{white-space:normal;min-width:12rem}
tr.own td{font-weight:600}.met{color:var(--good)}.missed{color:var(--bad);font-weight:600}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--ink)}svg .soft{fill:var(--soft)}
.own-bar{fill:var(--own)}.other-bar{fill:var(--other)}`;

/** The report as one file that needs nothing else. */
export function htmlPage(report: BenchReport): string {
  const { environment } = report;
  const workloads = [...new Set(report.comparisons.map((row) => row.workload))];
  const facts = [
    `millrace ${environment.millrace}${environment.commit === null ? "" : ` (${environment.commit})`}, ${environment.date}`,
    `${environment.backend}${environment.redis === null ? "" : `, ${environment.redis}`}; node ${environment.node}`,
    `${environment.cores} x ${environment.cpus}, ${environment.memoryGiB} GiB, ${environment.os}, load ${environment.loadAverage}`,
    Object.entries(environment.peers)
      .map(([name, version]) => `${name} ${version}`)
      .join(", "),
    "Bars are throughput; lines are p50, p99 and p99.9 on a logarithmic scale. One process, one thread, one client at a time, rounds interleaved, medians.",
  ].filter((fact) => fact !== "");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>millrace bench</title><style>${STYLE}</style></head><body>
<h1>millrace bench</h1><ul>${facts.map((fact) => `<li>${escapeXml(fact)}</li>`).join("")}</ul>
${targetTable(
  "Published targets",
  report.targets.filter((target) => !target.id.startsWith("M")),
)}
${targetTable(
  "Beside the others",
  report.targets.filter((target) => target.id.startsWith("M")),
)}
${verdictTable(report)}
<h2>Workloads</h2>
${workloads
  .map((workload) =>
    section(
      workload,
      report.comparisons.filter((row) => row.workload === workload),
    ),
  )
  .join("\n")}
</body></html>
`;
}

function targetTable(title: string, targets: readonly Target[]): string {
  if (targets.length === 0) return "";
  const rows = targets.map(
    (target) =>
      `<tr><td>${escapeXml(target.id)}</td><td class="text">${escapeXml(target.title)}${target.note === undefined ? "" : ` (${escapeXml(target.note)})`}</td>` +
      `<td>${target.bound} ${formatNumber(target.goal)} ${escapeXml(target.unit)}</td>` +
      `<td>${target.measured === null ? "-" : `${formatNumber(target.measured)} ${escapeXml(target.unit)}`}</td>${mark(target.pass)}</tr>`,
  );
  return `<h2>${title}</h2><div class="scroll"><table><tr><th>id</th><th class="text">target</th><th>goal</th><th>measured</th><th></th></tr>${rows.join("")}</table></div>`;
}

function verdictTable(report: BenchReport): string {
  if (report.verdicts.length === 0) return "";
  const rows = report.verdicts.map(
    ({ title, measured, pass }) =>
      `<tr><td class="text">${escapeXml(title)}</td><td class="text">${escapeXml(measured)}</td>${mark(pass)}</tr>`,
  );
  return `<h2>Objectives</h2><div class="scroll"><table>${rows.join("")}</table></div>`;
}

function mark(pass: boolean | null): string {
  if (pass === null) return "<td>not measured</td>";
  return pass ? '<td class="met">met</td>' : '<td class="missed">missed</td>';
}

function section(workload: string, rows: readonly Comparison[]): string {
  const body = rows.map(
    (row) =>
      `<tr${row.subject === "millrace" ? ' class="own"' : ""}><td>${escapeXml(row.subject)}</td><td>${formatRate(row.opsPerSec)}</td>` +
      `<td>${formatUs(row.p50Us)}</td><td>${formatUs(row.p99Us)}</td><td>${formatUs(row.p999Us)}</td>` +
      `<td>${row.cpuUsPerOp === null ? "-" : `${row.cpuUsPerOp.toFixed(2)} us`}</td><td>${row.errors}</td></tr>`,
  );
  return `<h3>${escapeXml(workload)}</h3>${plot(rows)}<div class="scroll"><table><tr><th></th><th>ops/s</th><th>p50</th><th>p99</th><th>p99.9</th><th>CPU/op</th><th>errors</th></tr>${body.join("")}</table></div>`;
}

const LABEL_WIDTH = 110;
const BAR_WIDTH = 280;
const LINE_LEFT = LABEL_WIDTH + BAR_WIDTH + 70;
const LINE_WIDTH = 230;
const ROW_HEIGHT = 20;

/** Throughput as bars on the left; on the right, per subject, the span from p50 over p99 to p99.9. */
function plot(rows: readonly Comparison[]): string {
  const top = Math.max(...rows.map((row) => row.opsPerSec), 1);
  const latencies = rows
    .flatMap((row) => [row.p50Us, row.p99Us, row.p999Us])
    .filter((us): us is number => us !== null && us > 0);
  const low = Math.log10(Math.min(...latencies, 1e6));
  const high = Math.max(low + 0.1, Math.log10(Math.max(...latencies, 1)));
  const x = (us: number): number => LINE_LEFT + ((Math.log10(Math.max(us, 0.1)) - low) / (high - low)) * LINE_WIDTH;
  const lines = rows.map((row, index) => {
    const y = index * ROW_HEIGHT + ROW_HEIGHT / 2;
    const kind = row.subject === "millrace" ? "own-bar" : "other-bar";
    const width = (row.opsPerSec / top) * BAR_WIDTH;
    const dots = [row.p50Us, row.p99Us, row.p999Us]
      .filter((us): us is number => us !== null && us > 0)
      .map(
        (us, rank) =>
          `<circle class="${kind}" cx="${x(us).toFixed(1)}" cy="${y}" r="${4 - rank * 0.8}"><title>${formatUs(us)}</title></circle>`,
      );
    const last = row.p999Us ?? row.p99Us;
    const span =
      row.p50Us === null || last === null || row.p50Us <= 0
        ? ""
        : `<rect class="${kind}" x="${x(row.p50Us).toFixed(1)}" y="${y - 1}" width="${Math.max(0, x(last) - x(row.p50Us)).toFixed(1)}" height="2"/>`;
    return (
      `<text x="${LABEL_WIDTH - 8}" y="${y + 4}" text-anchor="end">${escapeXml(row.subject)}</text>` +
      `<rect class="${kind}" x="${LABEL_WIDTH}" y="${y - 6}" width="${width.toFixed(1)}" height="12" rx="2"/>` +
      `<text class="soft" x="${(LABEL_WIDTH + width + 6).toFixed(1)}" y="${y + 4}">${formatRate(row.opsPerSec)}</text>${span}${dots.join("")}`
    );
  });
  const width = LINE_LEFT + LINE_WIDTH + 10;
  return `<svg viewBox="0 0 ${width} ${rows.length * ROW_HEIGHT + 4}" role="img" aria-label="throughput and latency">${lines.join("")}</svg>`;
}
