import { setEnvironmentData } from "node:worker_threads";
import { type CodecJobCounts, createEngine, type Engine } from "../../src/index.js";
import { seededRandom } from "../lib/rng.js";
import { keyOf } from "../load/inputs.js";
import { jsonRecord } from "../load/records.js";
import { FAULTS, ORDERS } from "./fault-orders.js";

/** What the process with failing codec threads has to tell, as JSON on its standard output. */
export interface FaultReport {
  readonly operations: number;
  readonly failed: number;
  readonly wrong: number;
  readonly firstError: string | null;
  /** Jobs that went down with their thread, for each fault in the order of the list. */
  readonly lostJobs: readonly number[];
  readonly slowestMs: number;
}

const TASKS = 64;
const VALUE_BYTES = 4096;
const VALUES = 256;
const POLL_MS = 10;
const PATIENCE_MS = 30_000;
/** So many jobs done by new threads count as recovery. */
const JOBS_AFTERWARDS = 20;

const [backend, repeats] = process.argv.slice(2) as [string, string];
const orders = new Int32Array(new SharedArrayBuffer(4));
// Before the first thread is started.
setEnvironmentData(ORDERS, orders);
const engine = await createEngine({
  backend,
  compression: { codec: "lz4" },
  workers: { offload: "always", threads: 1 },
  // A thread that loops is given 1.5 s, and its successor has to start: on a machine short of cores that takes seconds.
  timeouts: { operationMs: 30_000 },
});
const random = seededRandom(9);
const values = Array.from({ length: VALUES }, () => jsonRecord(random, VALUE_BYTES));
const totals = { operations: 0, failed: 0, wrong: 0, slowestMs: 0 };
let firstError: string | null = null;
let running = true;

const tasks = Array.from({ length: TASKS }, (_, index) => putAndGet(engine, keyOf("faults", index), index));
const lostJobs = FAULTS.map(() => 0);
try {
  await until("the threads work", () => jobs().jobs > JOBS_AFTERWARDS);
  for (let repeat = 0; repeat < Number(repeats); repeat++) {
    for (const [index, fault] of FAULTS.entries()) {
      const { lost } = jobs();
      Atomics.store(orders, 0, index + 1);
      await until(`a thread meets ${fault}`, () => jobs().lost > lost);
      const { jobs: before } = jobs();
      await until(`threads work again after ${fault}`, () => jobs().jobs > before + JOBS_AFTERWARDS);
      lostJobs[index]! += jobs().lost - lost;
    }
  }
} finally {
  running = false;
  await Promise.all(tasks);
  await engine.close();
}
process.stdout.write(JSON.stringify({ ...totals, firstError, lostJobs } satisfies FaultReport));

/** Puts and gets one key for as long as the run lasts; every value read must be the one written before. */
async function putAndGet(store: Engine, key: string, first: number): Promise<void> {
  for (let round = first; running; round++) {
    const value = values[round % VALUES]!;
    const wasPut = await timed(() => store.put(key, value));
    if (!wasPut) continue;
    await timed(async () => {
      const read = await store.get(key);
      if (read?.toString() !== value) totals.wrong++;
    });
  }
}

async function timed(operation: () => Promise<unknown>): Promise<boolean> {
  const startedMs = performance.now();
  totals.operations++;
  try {
    await operation();
    return true;
  } catch (error) {
    totals.failed++;
    firstError ??= String(error);
    return false;
  } finally {
    totals.slowestMs = Math.max(totals.slowestMs, performance.now() - startedMs);
  }
}

function jobs(): CodecJobCounts {
  return engine.stats().workers.jobs;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
