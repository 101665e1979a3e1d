import { parseArgs } from "node:util";
import { grouped, markdownTable, writeSection } from "../../bench/lib/document-section.js";
import { runSeed } from "./run-seed.js";

/** Errors are many here and read by nobody: their stacks would be most of the work. */
Error.stackTraceLimit = 0;

const DEFAULT_SEEDS = 100_000;
const MAX_SHOWN = 5;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: String(DEFAULT_SEEDS) },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    docs: { type: "string" },
  },
});

const failing = values.seed === undefined ? runMany() : runOne(wholeNumber("--seed", values.seed));
process.exit(failing === 0 ? 0 : 1);

function runOne(seed: number): number {
  const { problems, calls, faults } = runSeed(seed, values.trace ? { trace: (line) => console.log(line) } : {});
  for (const problem of problems) console.log(problem);
  console.log(`seed ${seed}: ${calls.length} calls, ${faults} faults, ${problems.length} problems`);
  return problems.length;
}

function runMany(): number {
  const seeds = wholeNumber("--seeds", values.seeds);
  const from = wholeNumber("--from", values.from);
  const startedMs = performance.now();
  const totals = { calls: 0, faults: 0, retries: 0, acknowledged: 0, notApplied: 0, unknown: 0, virtualMs: 0 };
  let failures = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const result = runSeed(seed);
    totals.calls += result.calls.length;
    totals.faults += result.faults;
    totals.retries += result.retries;
    totals.virtualMs += result.virtualMs;
    for (const { outcome } of result.calls) {
      if (outcome === "ok") totals.acknowledged++;
      else if (outcome === "unknown") totals.unknown++;
      else totals.notApplied++;
    }
    if (result.problems.length === 0) continue;
    failures++;
    if (failures > MAX_SHOWN) continue;
    console.log(`seed ${seed} fails; again with: npm run simulate -- --seed ${seed} --trace`);
    for (const problem of result.problems) console.log(`  ${problem}`);
  }
  const tookMs = performance.now() - startedMs;
  const hours = (totals.virtualMs / 3_600_000).toFixed(1);
  const rows: [string, string][] = [
    ["seeds", `${grouped(seeds)} (${from} to ${from + seeds - 1})`],
    ["failing", grouped(failures)],
    ["calls", grouped(totals.calls)],
    ["acknowledged", grouped(totals.acknowledged)],
    ["not applied", grouped(totals.notApplied)],
    ["unknown", grouped(totals.unknown)],
    ["retries", grouped(totals.retries)],
    ["faults", grouped(totals.faults)],
    ["virtual time", `${hours} h`],
    ["time", `${(tookMs / 1000).toFixed(0)} s`],
  ];
  for (const [name, count] of rows) console.log(`${name.padEnd(13)}${count}`);
  if (values.docs !== undefined) writeSection(values.docs, "simulation", markdownTable(["", "count"], rows));
  return failures;
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  console.error(`${name} takes a whole number, not ${text}`);
  process.exit(2);
}
