import { parseArgs } from "node:util";
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
  console.log(`seeds        ${seeds} (${from} to ${from + seeds - 1})`);
  console.log(`failing      ${failures}`);
  console.log(`calls        ${totals.calls}`);
  console.log(`acknowledged ${totals.acknowledged}`);
  console.log(`not applied  ${totals.notApplied}`);
  console.log(`unknown      ${totals.unknown}`);
  console.log(`retries      ${totals.retries}`);
  console.log(`faults       ${totals.faults}`);
  console.log(`virtual time ${(totals.virtualMs / 3_600_000).toFixed(1)} h`);
  console.log(`time         ${(tookMs / 1000).toFixed(1)} s`);
  return failures;
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  console.error(`${name} takes a whole number, not ${text}`);
  process.exit(2);
}
