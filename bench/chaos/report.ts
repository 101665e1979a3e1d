import { cpus } from "node:os";
import { grouped, markdownTable, writeSection } from "../lib/document-section.js";
import { formatTable } from "../lib/table.js";
import type { ControlRow } from "./control-run.js";
import type { FaultKind } from "./fault-kinds.js";
import type { ChaosResult } from "./run-chaos.js";

const VIOLATION_NAMES: Readonly<Record<string, string>> = {
  duplicate: "operations applied twice",
  "lost-ack": "acknowledged writes lost",
  "stale-overwrite": "older writes over newer ones",
  "wrong-not-applied": "applied though reported not-applied",
  "torn-transaction": "transactions done in part",
  "wrong-lifetime": "values that ended at the wrong time",
  "wrong-read": "values never written to their key",
  unsettled: "calls never settled",
  late: "calls settled after deadline and budget",
};

export function hasFailed(result: ChaosResult, control: readonly ControlRow[]): boolean {
  const ours = control.find(({ subject }) => subject === "millrace");
  const isControlClean = ours === undefined || ours.duplicated + ours.lost === 0;
  return violationsOf(result) > 0 || result.escaped.length > 0 || !isControlClean;
}

function violationsOf(result: ChaosResult): number {
  return Object.values(result.violations).reduce((sum, count) => sum + count, 0);
}

export function printReport(result: ChaosResult, kinds: readonly FaultKind[], control: readonly ControlRow[]): void {
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  print(formatTable(["fault", "injected", "strikes", "median ms", "max ms"], faultRows(result, kinds)));
  print("");
  print(formatTable(["", "count"], summaryRows(result)));
  print("");
  print(formatTable(OPERATIONS_HEADER, operationRows(result)));
  for (const { violation, faults } of result.examples) {
    print(`\n${violation.kind} of ${violation.key}, call ${violation.call}: ${violation.detail}`);
    for (const line of [...faults, ...violation.history]) print(`  ${line}`);
  }
  for (const stack of result.escaped) print(`\nescaped: ${stack}`);
  if (control.length > 0) print(`\n${formatTable(CONTROL_HEADER, controlRows(control))}`);
  print(`\nseed ${result.seed}`);
}

/** Replaces what stands between the markers of a document. @throws Error when it has none */
export function writeDocument(
  file: string,
  result: ChaosResult,
  kinds: readonly FaultKind[],
  control: readonly ControlRow[],
  server: string,
): void {
  const doing = new Map(kinds.map((kind) => [kind.name, kind.doing]));
  const minutes = (result.durationMs / 60_000).toFixed(1);
  const place = `Node.js ${process.versions.node}, ${server}, ${cpus().length} cores, all on one machine`;
  const sections = [
    `Seed ${result.seed}, ${minutes} minutes, ${place}.`,
    markdownTable(["", "count"], summaryRows(result)),
    markdownTable(OPERATIONS_HEADER, operationRows(result)),
    markdownTable(
      ["fault", "what is done", "injected", "strikes", "recovery, median ms", "max ms"],
      faultRows(result, kinds).map(([name, ...rest]) => [name!, doing.get(name!) ?? "", ...rest]),
    ),
  ];
  if (control.length > 0) {
    sections.push(
      "The same storm of resets, every 37 ms, each counter incremented by exactly one call:",
      markdownTable(CONTROL_HEADER, controlRows(control)),
    );
  }
  writeSection(file, "chaos", sections.join("\n\n"));
}

const OPERATIONS_HEADER = ["operation", "acknowledged", "failed, not applied", "failed, outcome unknown"];

function operationRows(result: ChaosResult): string[][] {
  return Object.entries(result.byOperation)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([operation, { acknowledged, notApplied, unknown }]) => [
      operation,
      ...[acknowledged, notApplied, unknown].map(grouped),
    ]);
}

const CONTROL_HEADER = ["client", "increments", "acknowledged", "failed", "applied twice", "lost", "resets"];

function controlRows(control: readonly ControlRow[]): string[][] {
  return control.map((row) => [
    row.subject,
    ...[row.increments, row.acknowledged, row.failed, row.duplicated, row.lost, row.cuts].map(grouped),
  ]);
}

function faultRows(result: ChaosResult, kinds: readonly FaultKind[]): string[][] {
  return kinds.map(({ name }) => {
    const { injected, strikes, recoveriesMs } = result.byKind[name]!;
    const sorted = recoveriesMs.toSorted((a, b) => a - b);
    const middle = sorted[Math.floor(sorted.length / 2)];
    return [name, grouped(injected), grouped(strikes), shownMs(middle), shownMs(sorted.at(-1))];
  });
}

function summaryRows(result: ChaosResult): string[][] {
  const slowest = Math.max(0, ...Object.values(result.byKind).flatMap(({ recoveriesMs }) => recoveriesMs));
  return [
    ["operations", grouped(result.operations)],
    ["acknowledged", grouped(result.acknowledged)],
    ["failed, not applied", grouped(result.notApplied)],
    ["failed, outcome unknown", grouped(result.unknown)],
    ["refused by the open circuit, counted below as not applied", grouped(result.refusedByCircuit)],
    ["answer of the open circuit, median and 99 % below, ms", circuitAnswers(result)],
    ...(result.replicaReads > 0 ? [["commands that replicas answered", grouped(result.replicaReads)]] : []),
    ["faults", grouped(result.faults)],
    ...Object.entries(result.violations).map(([kind, count]) => [VIOLATION_NAMES[kind] ?? kind, grouped(count)]),
    ["rejections and exceptions that escaped", grouped(result.escaped.length)],
    ["longest recovery after a fault, ms", grouped(Math.round(slowest))],
  ];
}

function circuitAnswers({ circuitAnswersMs }: ChaosResult): string {
  const sorted = circuitAnswersMs.toSorted((a, b) => a - b);
  return [0.5, 0.99].map((share) => sorted[Math.floor(sorted.length * share)]?.toFixed(3) ?? "").join(" and ");
}

function shownMs(ms: number | undefined): string {
  return ms === undefined ? "" : String(Math.round(ms));
}
