import { readFileSync } from "node:fs";
import { type IntervalHistogram, monitorEventLoopDelay, performance } from "node:perf_hooks";

export interface MainThreadLoad {
  readonly busyUs: number;
  /** How late the event loop was for a timer. */
  readonly loopDelayP99Ms: number;
}

/** The processor time of one thread; the main thread of a process has the process's own number. */
const SCHEDULER_FILE = `/proc/self/task/${process.pid}/schedstat`;
const RESOLUTION_MS = 1;
/** With fewer the loop hardly turned at all, and what it missed is in no histogram. */
const MIN_SAMPLES = 5;
const NS_PER_US = 1000;
const NS_PER_MS = 1e6;

/** What is given as the main thread's time: processor time where the system tells it for a thread, else busy time. */
export const MAIN_THREAD_MEASURE = readThreadCpuUs() === null ? "event loop utilization" : "processor time";

/** What the main thread was busy with since this was made, and how promptly its event loop turned. */
export class MainThreadMeter {
  readonly #cpuUs = readThreadCpuUs();
  readonly #utilization = performance.eventLoopUtilization();
  readonly #startedMs = performance.now();
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor() {
    this.#delay.enable();
  }

  stop(): MainThreadLoad {
    this.#delay.disable();
    const cpuUs = readThreadCpuUs();
    const activeUs = performance.eventLoopUtilization(this.#utilization).active * 1000;
    const { count } = this.#delay;
    const meanMs = (performance.now() - this.#startedMs) / (count + 1);
    const p99Ms = count < MIN_SAMPLES ? meanMs : this.#delay.percentile(99) / NS_PER_MS;
    return {
      busyUs: cpuUs === null || this.#cpuUs === null ? activeUs : cpuUs - this.#cpuUs,
      loopDelayP99Ms: Math.max(0, p99Ms - RESOLUTION_MS),
    };
  }
}

function readThreadCpuUs(): number | null {
  try {
    return Number(readFileSync(SCHEDULER_FILE, "latin1").split(" ")[0]) / NS_PER_US;
  } catch {
    return null; // not Linux
  }
}
