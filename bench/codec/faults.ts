import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { judge } from "../lib/report.js";
import type { CodecBench } from "./codec-bench.js";
import { FAULTS } from "./fault-orders.js";
import type { FaultReport } from "./fault-process.js";

const REPEATS = 2;
const QUICK_REPEATS = 1;

/** Codec threads that exit, run out of memory or never end, under load: what becomes of the operations. */
export async function measureFaults(bench: CodecBench): Promise<void> {
  for (const store of bench.stores.redis === undefined ? (["memory"] as const) : (["memory", "redis"] as const)) {
    bench.progress(`codec-faults  ${store}`);
    const backend = store === "memory" ? "memory:" : bench.stores.redis!.url;
    const report = await runFaultProcess(backend, bench.quick ? QUICK_REPEATS : REPEATS);
    const { operations, failed, wrong, firstError, lostJobs, slowestMs } = report;
    const lost = FAULTS.map((fault, index) => `${fault} ${lostJobs[index]}`).join(", ");
    bench.target(
      judge({
        ...{ id: `M2.faults-${store}`, source: "this run" },
        title: `failed or wrong operations while codec threads fail under load, ${store}`,
        ...{ goal: 0, bound: "at most", unit: "", measured: failed + wrong },
        note:
          `of ${operations.toLocaleString("en-US")}; jobs lost: ${lost}; slowest operation ${Math.round(slowestMs)} ms` +
          (firstError === null ? "" : `; ${firstError}`),
      }),
    );
  }
}

/** In a process of its own: threads take a preloaded module from the command line of their process. */
async function runFaultProcess(backend: string, repeats: number): Promise<FaultReport> {
  const preload = new URL("./fault-preload.js", import.meta.url).href;
  const script = fileURLToPath(new URL("./fault-process.js", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...["--import", preload, script],
    ...[backend, String(repeats)],
  ]);
  return JSON.parse(stdout) as FaultReport;
}
