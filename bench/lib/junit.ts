import { formatNumber } from "./numbers.js";
import type { BenchReport } from "./report.js";

interface Case {
  readonly suite: string;
  readonly name: string;
  readonly pass: boolean | null;
  readonly detail: string;
}

/** Targets, objectives and regressions as test cases, for the reports of a CI system. */
export function junitXml(report: BenchReport): string {
  const cases: Case[] = [
    ...report.targets.map((target) => ({
      suite: target.id.startsWith("M") ? "goals" : "targets",
      name: `${target.id} ${target.title}`,
      pass: target.pass,
      detail: `${target.bound} ${formatNumber(target.goal)} ${target.unit}, measured ${target.measured === null ? "nothing" : formatNumber(target.measured)}`,
    })),
    ...report.verdicts.map(({ kind, title, measured, pass }) => ({ suite: kind, name: title, pass, detail: measured })),
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

function caseXml({ suite, name, pass, detail }: Case): string {
  const open = `    <testcase classname="${escapeXml(suite)}" name="${escapeXml(name)}"`;
  if (pass === true) return `${open}><system-out>${escapeXml(detail)}</system-out></testcase>`;
  if (pass === null) return `${open}><skipped message="${escapeXml(detail)}"/></testcase>`;
  return `${open}><failure message="${escapeXml(detail)}"/></testcase>`;
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
