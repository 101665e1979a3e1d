import { readFileSync } from "node:fs";
import { escapeXml } from "./junit.js";
import { formatNumber, formatRate, formatUs } from "./numbers.js";
import { type BenchReport, type Comparison, isGoal, type Target } from "./report.js";
import { plots } from "./report-plots.js";

const OWN_SUBJECT = "millrace";
/** A share of the machine taken by others from which on a reader must know of it. */
const NOTABLE_OTHER_LOAD = 0.1;

/** The report as one file that needs nothing else. */
export function htmlPage(report: BenchReport): string {
  const style = readFileSync(new URL("report.css", import.meta.url), "utf8");
  const workloads = [...new Set(report.comparisons.map((row) => row.workload))];
  const published = report.targets.filter((target) => !isGoal(target));
  const goals = report.targets.filter(isGoal);
  const cells = workloads.map((workload) =>
    section(
      workload,
      report.comparisons.filter((row) => row.workload === workload),
    ),
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>millrace bench</title><style>${style}</style></head><body>
<header><h1>millrace bench</h1>${facts(report)}</header>
<main>
${targetTable("Published targets", published)}
${targetTable("Beside the others", goals)}
${verdictTable(report)}
${cells.length === 0 ? "" : `<h2>Workloads</h2><div class="cells">${cells.join("\n")}</div>`}
</main></body></html>
`;
}

function facts({ environment }: BenchReport): string {
  const peers = Object.entries(environment.peers)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
  const rows: [name: string, value: string][] = [
    ["millrace", `${environment.millrace}${environment.commit === null ? "" : ` (${environment.commit})`}`],
    ["measured", environment.date],
    ["store", `${environment.backend}${environment.redis === null ? "" : `, ${environment.redis}`}`],
    ["machine", `${environment.cores} × ${environment.cpus}, ${environment.memoryGiB} GiB, ${environment.os}`],
    ["program", `Node.js ${environment.node}; load average ${environment.loadAverage} at the start`],
    ["others", peers],
  ];
  const list = rows
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `<dt>${name}</dt><dd>${escapeXml(value)}</dd>`);
  const { otherLoad } = environment;
  const notice =
    otherLoad === null || otherLoad < NOTABLE_OTHER_LOAD
      ? ""
      : `<p class="notice">! Other programs took ${Math.round(otherLoad * 100)} % of this machine meanwhile: figures are lower, and latencies higher, than on a machine of its own.</p>`;
  return `<dl class="facts">${list.join("")}</dl>${notice}`;
}

function targetTable(title: string, targets: readonly Target[]): string {
  if (targets.length === 0) return "";
  const rows = targets.map(
    (target) =>
      `<tr><td>${escapeXml(target.id)}</td><td class="text">${escapeXml(target.title)}${target.note === undefined ? "" : ` (${escapeXml(target.note)})`}</td>` +
      `<td data-name="goal">${target.bound} ${formatNumber(target.goal)} ${escapeXml(target.unit)}</td>` +
      `<td data-name="measured">${target.measured === null ? "–" : `${formatNumber(target.measured)} ${escapeXml(target.unit)}`}</td>${mark(target.pass)}</tr>`,
  );
  const head = `<tr><th scope="col">id</th><th scope="col" class="text">target</th><th scope="col">goal</th><th scope="col">measured</th><th scope="col">verdict</th></tr>`;
  return tableCard(
    title,
    sumOf(targets),
    `<table class="targets"><thead>${head}</thead><tbody>${rows.join("")}</tbody></table>`,
  );
}

function verdictTable({ verdicts }: BenchReport): string {
  if (verdicts.length === 0) return "";
  const rows = verdicts.map(
    ({ title, measured, pass }) =>
      `<tr><td>${escapeXml(title)}</td><td class="text">${escapeXml(measured)}</td>${mark(pass)}</tr>`,
  );
  const head = `<tr><th scope="col">objective</th><th scope="col" class="text">measured</th><th scope="col">verdict</th></tr>`;
  return tableCard(
    "Objectives",
    sumOf(verdicts),
    `<table class="targets"><thead>${head}</thead><tbody>${rows.join("")}</tbody></table>`,
  );
}

function tableCard(title: string, sum: string, table: string): string {
  return `<h2>${title}<span class="sum">${sum}</span></h2><div class="card scroll">${table}</div>`;
}

function sumOf(judged: readonly { readonly pass: boolean | null }[]): string {
  const measured = judged.filter(({ pass }) => pass !== null);
  return `${measured.filter(({ pass }) => pass === true).length} of ${measured.length} met`;
}

function mark(pass: boolean | null): string {
  if (pass === null) return '<td class="verdict soft">not measured</td>';
  return pass ? '<td class="verdict met">✓ met</td>' : '<td class="verdict missed">✕ missed</td>';
}

function section(workload: string, rows: readonly Comparison[]): string {
  const body = rows.map(
    (row) =>
      `<tr${row.subject === OWN_SUBJECT ? ' class="own"' : ""}><td>${escapeXml(row.subject)}</td><td>${formatRate(row.opsPerSec)}</td>` +
      `<td>${formatUs(row.p50Us)}</td><td>${formatUs(row.p99Us)}</td><td>${formatUs(row.p999Us)}</td>` +
      `<td>${row.cpuUsPerOp === null ? "-" : `${row.cpuUsPerOp.toFixed(2)} us`}</td><td${row.errors === 0 ? "" : ' class="missed"'}>${row.errors}</td></tr>`,
  );
  const head = ["subject", "ops/s", "p50", "p99", "p99.9", "CPU/op", "errors"];
  return `<section class="card"><h3>${escapeXml(workload)}</h3>${plots(rows, OWN_SUBJECT)}<div class="scroll"><table><thead><tr>${head.map((name) => `<th scope="col">${name}</th>`).join("")}</tr></thead><tbody>${body.join("")}</tbody></table></div></section>`;
}
