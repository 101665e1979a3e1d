import { writeFileSync } from "node:fs";
import { findRedisServer } from "../../src/testing/index.js";
import { openProgress } from "../lib/progress.js";
import { UsageError } from "../lib/usage-error.js";
import { type ControlRow, runControl } from "./control-run.js";
import { HELP, parseChaosOptions } from "./options.js";
import { hasFailed, printReport, writeDocument } from "./report.js";
import { runChaos } from "./run-chaos.js";

const CONTROL_MS = 8000;

async function main(args: readonly string[]): Promise<number> {
  const options = parseChaosOptions(args);
  if (options.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const redis = await findRedisServer();
  if (redis === null) throw new Error("no redis-server or valkey-server on the PATH; set MILLRACE_REDIS_SERVER");
  process.stderr.write(`seed ${options.seed}\n`);
  const progress = openProgress();
  const result = await runChaos({
    ...options,
    onProgress: ({ operations, faults, durationMs, violations }) => {
      const bad = Object.values(violations).reduce((sum, count) => sum + count, 0);
      const seconds = Math.round(durationMs / 1000);
      progress.update(`${seconds} s, ${operations} operations, ${faults} faults, ${bad} violations`);
    },
  });
  let control: readonly ControlRow[] = [];
  if (options.control) {
    progress.update("the same storm for ioredis with its defaults, and for us");
    control = await runControl(CONTROL_MS);
  }
  progress.clear();
  printReport(result, options.kinds, control);
  const server = `${redis.kind} ${redis.version}`;
  if (options.json !== null) {
    const environment = { node: process.versions.node, server };
    const { circuitAnswersMs: _, ...counts } = result;
    writeFileSync(options.json, `${JSON.stringify({ schema: 1, environment, ...counts, control }, null, 2)}\n`);
  }
  if (options.docs !== null) writeDocument(options.docs, result, options.kinds, control, server);
  return hasFailed(result, control) ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(`${isUsage ? `${error.message}\n\n${HELP}` : (error as Error).stack}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
