import { formatNumber } from "./numbers.js";
import { type BenchReport, failedRows, isGoal, type Target } from "./report.js";

interface Case {
  readonly suite: string;
  readonly name: string;
  readonly pass: boolean | null;
  readonly detail: string;
}

/**
 * Targets, objectives, regressions and failed operations as test cases, for the reports of a CI system: a case fails
 * exactly when it fails the run.
 */
export function junitXml(report: BenchReport, ownSubject: string): string {
  const cases = [
    ...report.targets.map(targetCase),
    ...report.verdicts.map(({ kind, title, measured, pass }) => ({ suite: kind, name: title, pass, detail: measured })),
    ...(report.comparisons.length === 0 ? [] : [errorsCase(report, ownSubject)]),
  ];
  const suites = [...new Set(cases.map((entry) => entry.suite))].map((suite) => {
    const own = cases.filter((entry) => entry.suite === suite);
    const failures = own.filter((entry) => entry.pass === false).length;
    const skipped = own.filter((entry) => entry.pass === null).length;
    const body = own.map((entry) => caseXml(entry)).join("\n");
    return `  <testsuite name="${escapeXml(suite)}" tests="${own.length}" failures="${failures}" skipped="${skipped}">\n${body}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="millrace bench">\n${suites.join("\n")}\n</testsuites>\n`;
}

function targetCase(target: Target): Case {
  const { id, title, bound, unit, note } = target;
  const measured = target.measured === null ? "nothing" : formatNumber(target.measured);
  const detail = `${bound} ${formatNumber(target.goal)} ${unit}, measured ${measured}${note === undefined ? "" : ` (${note})`}`;
  const name = `${id} ${title}`;
  if (!isGoal(target)) return { suite: "targets", name, pass: target.pass, detail };
  return target.pass === false
    ? { suite: "goals", name, pass: null, detail: `missed, which does not fail the run: ${detail}` }
    : { suite: "goals", name, pass: target.pass, detail };
}

function errorsCase(report: BenchReport, ownSubject: string): Case {
  const failed = failedRows(report, ownSubject);
  const detail = failed.map(({ workload, subject, errors }) => `${errors} in ${workload} (${subject})`).join(", ");
  const name = `no operation of ${ownSubject} failed or gave a wrong value`;
  return { suite: "errors", name, pass: failed.length === 0, detail: detail === "" ? "none failed" : detail };
}

function caseXml({ suite, name, pass, detail }: Case): string {
  const open = `    <testcase classname="${escapeXml(suite)}" name="${escapeXml(name)}"`;
  if (pass === true) return `${open}><system-out>${escapeXml(detail)}</system-out></testcase>`;
  if (pass === null) return `${open}><skipped message="${escapeXml(detail)}"/></testcase>`;
  return `${open}><failure message="${escapeXml(detail)}"/></testcase>`;
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
