import { StateError } from "../src/index.js";
import { CODEC_PARTS, type CodecPart } from "./codec/codec-bench.js";
import { HELP } from "./lib/help.js";
import { type BenchOptions, parseOptions } from "./lib/options.js";
import { comparisonText, environmentText, targetsText, verdictsText } from "./lib/print.js";
import { openProgress } from "./lib/progress.js";
import { type BenchReport, failedRows, hasFailed, isGoal } from "./lib/report.js";
import { ReportFiles } from "./lib/report-files.js";
import { UsageError } from "./lib/usage-error.js";
import { LMDB } from "./lmdb/run-lmdb.js";
import { CODEC, EXTRA_WORKLOADS, OBSERVABILITY } from "./load/plan.js";
import { runBench } from "./load/run-bench.js";
import { WORKLOADS } from "./load/workload.js";
import { OBSERVABILITY_PARTS, type ObservabilityPart } from "./observability/observability-bench.js";
import { MILLRACE, SUBJECT_NAMES } from "./peers/all-peers.js";
import { POSTGRES } from "./postgres/run-postgres.js";
import { RESILIENCE } from "./resilience/run-resilience.js";
import { TIER } from "./tier/run-tier.js";

export interface CliOutput {
  write(text: string): void;
  error(text: string): void;
}

const CONSOLE: CliOutput = {
  write: (text) => void process.stdout.write(`${text}\n`),
  error: (text) => void process.stderr.write(`${text}\n`),
};

/** The command; resolves to its exit code. */
export async function runCli(args: readonly string[], output: CliOutput = CONSOLE): Promise<0 | 1 | 2> {
  try {
    const options = parseOptions(args);
    if (options.help) output.write(HELP);
    else if (options.list) output.write(listText());
    else return (await benchAndReport(options, output)) ? 0 : 1;
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      output.error(`${error.message}\n(--help shows all options)`);
      return 2;
    }
    // What a store or its address is to blame for explains itself; anything else needs its stack.
    output.error(error instanceof StateError ? error.message : String((error as Error).stack));
    return 1;
  }
}

function listText(): string {
  const cells = WORKLOADS.map((workload) => `  ${workload.name.padEnd(24)}${workload.title}`);
  const extras: Record<(typeof EXTRA_WORKLOADS)[number], string> = {
    trace: "LLM requests folded into per-minute state, or the file given by --trace",
    targets: "the published targets T1 to T8",
    soak: "60 s at 1000 in flight: does memory grow? (only when asked for)",
  };
  const parts: Record<CodecPart, string> = {
    "codec-1KiB": "LZ4 against none and against others' LZ4, also over a link of 1 Gbit/s",
    "codec-grid": "offload auto against never and always: codecs, sizes, depths, stores",
    "codec-offload": "what is left of the main thread's work when zstd is offloaded",
    "codec-faults": "codec threads that exit, run out of memory or never end",
    "codec-ratio": "how much smaller the bench's records become",
    "codec-header": "header and checksum of 100 B",
  };
  const codecs = [
    `  ${CODEC.padEnd(24)}all of the following (only when asked for)`,
    ...CODEC_PARTS.map((name) => `  ${name.padEnd(24)}${parts[name]}`),
  ];
  const postgres = "single puts and gets beside a pool of pg, COPY and pgbench; target T10 (only when asked for)";
  const embedded = "durable puts and gets beside lmdb-js, LevelDB and SQLite; syncs counted (only when asked for)";
  const observed: Record<ObservabilityPart, string> = {
    "observability-cost": "metrics, objectives and slow log on against off",
    "observability-agreement": "the engine's percentiles against an observer's, at 100,000 ops/s",
  };
  const observability = [
    `  ${OBSERVABILITY.padEnd(24)}both of the following (only when asked for)`,
    ...OBSERVABILITY_PARTS.map((name) => `  ${name.padEnd(24)}${observed[name]}`),
  ];
  const others = EXTRA_WORKLOADS.map((name) => `  ${name.padEnd(24)}${extras[name]}`);
  return [
    "workloads",
    ...cells,
    ...others,
    ...codecs,
    `  ${POSTGRES.padEnd(24)}${postgres}`,
    `  ${LMDB.padEnd(24)}${embedded}`,
    `  ${TIER.padEnd(24)}reads that the cache in this process answers, and what it is worth (only when asked for)`,
    ...observability,
    `  ${RESILIENCE.padEnd(24)}retries, circuit breaker, deadlines and degraded reads on against off (only when asked for)`,
    "peers",
    ...SUBJECT_NAMES.map((name) => `  ${name}`),
  ].join("\n");
}

async function benchAndReport(options: BenchOptions, output: CliOutput): Promise<boolean> {
  const files = await ReportFiles.open(options);
  const progress = openProgress();
  const say = (text: string): void => {
    progress.clear();
    output.write(text);
  };
  const started = performance.now();
  const report = await runBench(options, {
    begin: (environment) => {
      files.begin(environment);
      say(environmentText(environment));
    },
    progress: (text) => progress.update(text),
    measured: (title, rows) => say(comparisonText(title, rows)),
    recorded: (rows) => files.measured(rows),
    note: (text) => say(`\n${text}`),
  })
    .catch((error: unknown) => {
      files.giveUp();
      throw error;
    })
    .finally(() => progress.clear());
  say(summaryText(report));
  say(`\ntook ${((performance.now() - started) / 1000).toFixed(0)} s`);
  await files.finish(report, MILLRACE);
  return !hasFailed(report, MILLRACE);
}

function summaryText(report: BenchReport): string {
  const published = report.targets.filter((target) => !isGoal(target));
  const goals = report.targets.filter(isGoal);
  const parts: string[] = [];
  if (published.length > 0) parts.push(`\nTargets\n${targetsText(published)}`);
  if (goals.length > 0)
    parts.push(`\nGoals beside the others (they do not decide the exit code)\n${targetsText(goals)}`);
  if (report.verdicts.length > 0) parts.push(`\nObjectives\n${verdictsText(report.verdicts)}`);
  const failed = failedRows(report, MILLRACE);
  if (failed.length > 0) {
    const rows = failed.map(({ workload, subject, errors }) => `  ${errors} in ${workload} (${subject})`);
    parts.push(`\nOperations that failed or gave a wrong value\n${rows.join("\n")}`);
  }
  return parts.join("\n");
}
