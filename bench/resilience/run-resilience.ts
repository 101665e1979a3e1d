import type { EngineOptions } from "../../src/index.js";
import { measureOnAndOff, type OnAndOffBench } from "../load/on-and-off.js";

/** The workload; it runs only when asked for. */
export const RESILIENCE = "resilience";

const ALLOWED = 1.03;
/** Half an hour, the longest: deadlines and the watchdog cannot be switched off, only put off. */
const LATE_MS = 1_800_000;

const OFF: EngineOptions = {
  retry: { retries: 0 },
  circuitBreaker: false,
  timeouts: { operationMs: LATE_MS },
  degraded: { reads: "fail" },
};
const ON: EngineOptions = {
  retry: { retries: 3 },
  circuitBreaker: { failures: 10, resetMs: 60_000 },
  timeouts: { operationMs: 3000 },
  degraded: { reads: "miss" },
};

/** What it costs, while nothing fails, to be ready for failures. */
export function runResilience(bench: OnAndOffBench): Promise<void> {
  return measureOnAndOff(bench, {
    workload: RESILIENCE,
    targetId: "M3.cost",
    what: "retries, circuit breaker, deadlines, watchdog and degraded reads",
    off: OFF,
    on: ON,
    goal: ALLOWED,
  });
}
