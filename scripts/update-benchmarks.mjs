// node scripts/update-benchmarks.mjs REPORT [FOLDER]: enters a report of `npm run bench -- --json REPORT` into README.md
// and docs/benchmarks.md below FOLDER (default: the checkout), between their markers. Figures come from nowhere else.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, root } from "./steps/process.mjs";

const OWN = "millrace";
const BOUNDS = { "at least": "≥", "at most": "≤", below: "<" };
/** How a goal that compares two subjects in one cell says so in its title. */
const DUEL = /^(\S+): (ops\/s|p50) against (?:plain )?(\S+)$/;

const [reportPath, folder = root] = process.argv.slice(2);
if (reportPath === undefined) fail("usage: node scripts/update-benchmarks.mjs REPORT [FOLDER]");
const report = JSON.parse(readFileSync(reportPath, "utf8"));
if (report.schema !== 1) fail(`${reportPath} is no report of the bench with schema 1`);

enter("README.md", [stamp(report), goalsTable(report), summary(report)]);
enter("docs/benchmarks.md", [stamp(report), targetsTable(report), verdicts(report), comparisonTables(report)]);

function enter(path, parts) {
  const file = join(folder, path);
  const text = readFileSync(file, "utf8");
  const begin = "<!-- benchmarks:begin -->\n";
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf("<!-- benchmarks:end -->");
  if (from < begin.length || to < from) fail(`${path} has no markers for the figures`);
  const content = parts.filter((part) => part !== "").join("\n\n");
  writeFileSync(file, `${text.slice(0, from)}${content}\n${text.slice(to)}`);
}

/** Everything without which the figures mean nothing. */
function stamp({ environment: at }) {
  const peers = Object.entries(at.peers).map(([name, version]) => `${name} ${version}`);
  const { roundMs, quick } = at.settings;
  const look = quick === true ? "a quick look, no measurement: " : "";
  const rounds = roundMs === undefined ? "" : `; ${look}rounds of ${roundMs} ms`;
  const others = at.otherLoad === null ? "" : `, other programs took ${percent(at.otherLoad)} of the machine`;
  return [
    `${at.date.slice(0, 10)}, millrace ${at.millrace}${at.commit === null ? "" : ` (${at.commit})`} on ${at.backend},`,
    `${at.redis ?? "no Redis"}; Node ${at.node}, ${at.cores} × ${at.cpus}, ${at.memoryGiB} GiB, ${at.os};`,
    `load average ${at.loadAverage} at the start${others}${rounds}; ${peers.join(", ")}.`,
  ].join("\n");
}

function goalsTable(report) {
  const rows = report.targets
    .filter(({ id, title }) => id.startsWith("M") && DUEL.test(title))
    .map((target) => {
      const [, workload, figure, other] = DUEL.exec(target.title);
      const show = figure === "p50" ? (row) => micros(row?.p50Us) : (row) => rate(row?.opsPerSec);
      const find = (subject) => report.comparisons.find((row) => row.workload === workload && row.subject === subject);
      return [
        `${workload}, ${figure}`,
        show(find(OWN)),
        `${show(find(other))} ${other}`,
        measured(target),
        goal(target),
        verdict(target),
      ];
    });
  if (rows.length === 0) return "";
  return table(["cell, figure", OWN, "beside it", "ratio", "goal", ""], rows);
}

function summary({ targets }) {
  const published = targets.filter(({ id, pass }) => !id.startsWith("M") && pass !== null);
  const met = published.filter(({ pass }) => pass).length;
  if (published.length === 0) return "";
  const missed = published.filter(({ pass }) => !pass).map(({ id }) => id);
  const which = missed.length === 0 ? "" : `; missed: ${missed.join(", ")}`;
  return `Of the published targets T1 to T8, which are no comparisons, ${met} of ${published.length} were met${which}.`;
}

function targetsTable({ targets }) {
  if (targets.length === 0) return "";
  const rows = targets.map((target) => [
    target.id,
    target.note === undefined ? target.title : `${target.title} (${target.note})`,
    goal(target),
    measured(target),
    verdict(target),
  ]);
  return `### Targets\n\n${table(["id", "target", "goal", "measured", ""], rows)}`;
}

function verdicts({ verdicts: all }) {
  if (all.length === 0) return "";
  const rows = all.map(({ title, measured: found, pass }) => [title, found, pass ? "met" : "**missed**"]);
  return `### Objectives and checks\n\n${table(["objective", "measured", ""], rows)}`;
}

function comparisonTables({ comparisons }) {
  const names = [...new Set(comparisons.map(({ workload }) => workload))];
  return names
    .map((name) => {
      const rows = comparisons
        .filter(({ workload }) => workload === name)
        .map((row) => [
          row.subject,
          rate(row.opsPerSec),
          micros(row.p50Us),
          micros(row.p99Us),
          micros(row.p999Us),
          micros(row.cpuUsPerOp),
          String(row.errors),
        ]);
      return `### ${name}\n\n${table(["subject", "ops/s", "p50", "p99", "p99.9", "CPU/op", "errors"], rows)}`;
    })
    .join("\n\n");
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function goal({ bound, goal: value, unit }) {
  return `${BOUNDS[bound]} ${number(value)} ${unit}`.trimEnd();
}

function measured({ measured: value, unit }) {
  return value === null ? "–" : `${number(value)} ${unit}`.trimEnd();
}

function verdict({ pass }) {
  return pass === null ? "not measured" : pass ? "met" : "**missed**";
}

function number(value) {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

function rate(perSecond) {
  if (perSecond === undefined || perSecond === null) return "–";
  return perSecond >= 1e6
    ? `${(perSecond / 1e6).toFixed(2)} M`
    : `${(perSecond / 1e3).toFixed(perSecond < 1e4 ? 1 : 0)} k`;
}

function micros(us) {
  if (us === undefined || us === null) return "–";
  return us >= 1000 ? `${(us / 1000).toFixed(2)} ms` : `${us.toFixed(us < 100 ? 1 : 0)} µs`;
}

function percent(share) {
  return `${Math.round(share * 100)} %`;
}
