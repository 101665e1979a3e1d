import { below, pick, seededRandom } from "../../bench/lib/rng.js";
import type { Driver } from "../../src/backends/contract.js";
import { Kind } from "../../src/backends/request.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { PipelineOptions } from "../../src/pipeline/pipeline-options.js";
import { checkHistory } from "./check-history.js";
import { FaultSchedule } from "./fault-schedule.js";
import { type Call, describeCall } from "./history.js";
import { SimulatedDriver } from "./simulated-driver.js";
import { SimulatedLoop } from "./simulated-loop.js";
import { SimulatedServer } from "./simulated-server.js";
import { Workload } from "./workload.js";

export interface SeedOptions {
  /** Stands between a pipeline and its driver. For faults that must be found. */
  readonly tamper?: (driver: Driver, server: SimulatedServer) => Driver;
  /** Told what happens, as it happens. */
  readonly trace?: (line: string) => void;
}

export interface SeedResult {
  readonly calls: readonly Call[];
  readonly faults: number;
  readonly virtualMs: number;
  readonly retries: number;
  readonly problems: readonly string[];
}

/** The time of deadlines is looked at once a millisecond at best, and turns take theirs. */
const BUDGET_MS = 3;
const SPAN_MS = 400;
const STALL_MS = 200;
/** Answers that came meanwhile may be read for as long as a stall lasted, and no longer than so. */
const READING_MS = 100;

/** One run: what is drawn, done and answered depends on the seed alone. */
export function runSeed(seed: number, options: SeedOptions = {}): SeedResult {
  const random = seededRandom(seed);
  const loop = new SimulatedLoop(seededRandom(below(random, 2 ** 31)));
  const server = new SimulatedServer(loop, below(random, 2 ** 31));
  const calls: Call[] = [];
  const operationMs = pick(random, [20, 60, 150]);
  const trace = (line: string): void => options.trace?.(`${loop.nowMs().toFixed(3)} ${line}`);
  const clients = Array.from({ length: pick(random, [1, 1, 2]) }, (_, client) => {
    const driver = new SimulatedDriver(server, {
      seed: below(random, 2 ** 31),
      keysPerCommand: pick(random, [1, 2, 128]),
      eagerBatchSize: pick(random, [undefined, 2, 32]),
      smallBatches: pick(random, [undefined, undefined, 1, 2]),
      writingBatches: pick(random, [undefined, undefined, 1, 2]),
      batchSize: pick(random, [undefined, undefined, 1, 5]),
      keyGroups: pick(random, [undefined, undefined, 2, 3]),
      silenceMs: operationMs,
      connectTimeoutMs: 40,
      reconnectMs: pick(random, [1, 10]),
    });
    const pipeline = new Pipeline(
      options.tamper?.(driver, server) ?? driver,
      pipelineOptions(random, operationMs),
      undefined,
      loop,
    );
    driver.onWritable = () => pipeline.resume();
    driver.onReconnected = () => {
      trace(`client ${client} is connected again`);
      pipeline.reconnected();
    };
    const shape = {
      keys: pick(random, [1, 2, 4]),
      operationMs,
      oddDeadlineShare: pick(random, [0, 0.2]),
      abortedShare: pick(random, [0, 0, 0.1]),
    };
    const workload = new Workload(client, pipeline, loop, seededRandom(below(random, 2 ** 31)), shape, calls);
    return { driver, pipeline, workload };
  });
  const drivers = clients.map(({ driver }) => driver);
  const schedule = new FaultSchedule(loop, server, drivers, seededRandom(below(random, 2 ** 31)), (fault, forMs) =>
    trace(`${fault} for ${forMs.toFixed(1)} ms`),
  );
  const faults = below(random, 7);
  schedule.plan(faults, SPAN_MS, pick(random, [20, 100, 250]));
  let stalledMs = 0;
  for (const { workload } of clients) {
    const bursts = 4 + below(random, 16);
    for (let burst = 0; burst < bursts; burst++) {
      const size = 1 + below(random, pick(random, [1, 4, 12]));
      loop.setTimer(random() * SPAN_MS, () => {
        for (let i = 0; i < size; i++) workload.call();
        // What called goes on for a while before anything can leave.
        if (below(random, 16) !== 0) return;
        const stallMs = below(random, STALL_MS);
        stalledMs += stallMs;
        loop.take(stallMs);
      });
    }
  }
  const startMs = loop.nowMs();
  loop.runUntil(startMs + 3 * SPAN_MS);
  const problems: string[] = [];
  // All faults are over by now: each client must be served again, whatever its circuit has been through.
  for (const { workload } of clients) {
    const call = workload.submit(Kind.ttl, "after all", undefined, 0, undefined);
    loop.runUntil(loop.nowMs() + 2 * SPAN_MS);
    if (call.outcome === "pending") problems.push("a call after all faults was never answered");
  }
  const stalls = schedule.stalledMs + stalledMs;
  problems.push(...checkHistory(calls, server.store, BUDGET_MS + stalls + Math.min(stalls, READING_MS)));
  if (options.trace !== undefined) for (const call of calls) options.trace(describeCall(call));
  const retries = clients.reduce((sum, { pipeline }) => sum + pipeline.counters.retries, 0);
  for (const { driver } of clients) problems.push(...driver.expired);
  for (const { pipeline } of clients) {
    if (pipeline.pendingWork.operations > 0) problems.push("a pipeline counts calls that are not there");
    if (pipeline.inFlightBatches > 0) problems.push("a batch was never completed");
  }
  return { calls, faults, virtualMs: loop.nowMs() - startMs, retries, problems };
}

function pipelineOptions(random: () => number, operationMs: number): PipelineOptions {
  const baseDelayMs = pick(random, [0, 2, 20]);
  return {
    maxSize: pick(random, [1, 2, 4, 512]),
    maxBytes: pick(random, [16, 64, 1 << 20]),
    maxInFlight: pick(random, [1, 2, 8]),
    lingerMs: pick(random, [0, 0, 1, 4]),
    maxPending: pick(random, [3, 20, 100_000]),
    overflow: pick(random, ["wait", "reject"] as const),
    operationMs,
    retry: { retries: pick(random, [0, 1, 3, 10]), baseDelayMs, maxDelayMs: baseDelayMs * 4, jitter: random() },
    circuitBreaker: pick(random, [false, { failures: 1, resetMs: 10 }, { failures: 3, resetMs: 50 }] as const),
  };
}
