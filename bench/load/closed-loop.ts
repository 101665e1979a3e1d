import { CpuMeter } from "../lib/cpu-meter.js";
import type { LatencyRecorder } from "../lib/latency-recorder.js";

export interface ClosedLoopOptions {
  /** One operation; null as its result counts as an error, because every key of a load exists. */
  readonly issue: () => Promise<unknown>;
  readonly inFlight: number;
  readonly durationMs: number;
  /** The load runs so long before it counts: what ran before has left caches and heap as it needed them. Default 0. */
  readonly warmUpMs?: number;
  /** Absent: nothing is timed per operation. */
  readonly recorder?: LatencyRecorder;
}

export interface LoopResult {
  readonly operations: number;
  readonly elapsedMs: number;
  readonly opsPerSec: number;
  readonly cpuUsPerOp: number;
  readonly errors: number;
}

/** A store that refuses everything answers at once: a loop must not spin on it for the whole round. */
const MAX_ERRORS = 10_000;
const CLOCK_LOOK_MASK = 255;

/**
 * `inFlight` tasks, each awaiting one operation after the other. From the first call to the last settlement; the
 * client or the server is busy all that time, so filling and draining need no correction.
 *
 * A clock read costs as much as a tenth of an operation of the fastest subject. So throughput is measured without
 * a recorder. With one, the end of an operation is taken as the start of the next of its task: one read each.
 */
export async function runClosedLoop(options: ClosedLoopOptions): Promise<LoopResult> {
  const { issue, inFlight, recorder } = options;
  let operations = 0;
  let errors = 0;
  let running = true;
  const warmUpMs = options.warmUpMs ?? 0;
  let counts = warmUpMs === 0;

  const task = async (): Promise<void> => {
    while (running) {
      try {
        if ((await issue()) === null) errors++;
      } catch {
        if (++errors > MAX_ERRORS) running = false;
      }
      operations++;
      // A store that answers without leaving the turn would never let the timer fire.
      if ((operations & CLOCK_LOOK_MASK) === 0 && performance.now() >= deadline) running = false;
    }
  };
  const timedTask = async (latencies: LatencyRecorder): Promise<void> => {
    let last = performance.now();
    while (running) {
      try {
        if ((await issue()) === null) errors++;
      } catch {
        if (++errors > MAX_ERRORS) running = false;
      }
      operations++;
      const now = performance.now();
      if (counts) latencies.record(now - last);
      last = now;
      if (now >= deadline) running = false;
    }
  };

  let cpu = new CpuMeter();
  let start = performance.now();
  const deadline = start + warmUpMs + options.durationMs;
  const timer = setTimeout(() => {
    running = false;
  }, warmUpMs + options.durationMs);
  const warm = setTimeout(() => {
    counts = true;
    operations = 0;
    cpu = new CpuMeter();
    start = performance.now();
  }, warmUpMs);
  if (warmUpMs === 0) clearTimeout(warm);
  const tasks: Promise<void>[] = [];
  for (let i = 0; i < inFlight; i++) tasks.push(recorder === undefined ? task() : timedTask(recorder));
  await Promise.all(tasks);
  const elapsedMs = performance.now() - start;
  clearTimeout(timer);
  clearTimeout(warm);
  return {
    operations,
    elapsedMs,
    opsPerSec: (operations * 1000) / elapsedMs,
    cpuUsPerOp: operations === 0 ? 0 : cpu.elapsedUs() / operations,
    errors,
  };
}

/** Runs `issue` for each index in [0, count), so many at once, and gives the number that failed. */
export async function runEach(
  count: number,
  inFlight: number,
  issue: (index: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  let errors = 0;
  const task = async (): Promise<void> => {
    while (next < count && errors <= MAX_ERRORS) {
      try {
        await issue(next++);
      } catch {
        errors++;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, task));
  return errors;
}
