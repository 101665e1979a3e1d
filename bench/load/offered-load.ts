import type { LatencySummary } from "../lib/latency-recorder.js";
import { median } from "../lib/median.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import { MILLRACE } from "../peers/all-peers.js";
import { type OpenLoopResult, runOpenLoop } from "./open-loop.js";

const RATE = 100_000;
const ROUNDS = 5;
/** Length of a round, in rounds of the other targets. */
const ROUND_LENGTH = 3;
/** Rounds' worth of time that this target takes, warming up aside. */
export const OFFERED_LOAD_UNITS = ROUNDS * ROUND_LENGTH;
/**
 * Loops that turn all the time make small batches; the compiler knew large ones, and learns for a second. It does that
 * beside the server, which then waits for milliseconds; and it learns something of each loop that is new.
 */
const WARM_UPS = 4;
const FIRST_WARM_UPS_MS = 500;
const WARM_UP_MS = 50;

/**
 * T4. Of several rounds the median counts, as everywhere: one pause of ten milliseconds, in which a virtual machine has
 * no processor, is a fiftieth of a round. What the single rounds showed is told beside it.
 */
export async function measureOfferedLoad(
  issue: () => Promise<unknown>,
  roundMs: number,
): Promise<{ target: Target; comparison: Comparison }> {
  for (let round = 0; round < WARM_UPS; round++) {
    await runOpenLoop({ issue, ratePerSec: RATE, durationMs: FIRST_WARM_UPS_MS });
  }
  const rounds: (OpenLoopResult & LatencySummary)[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const durationMs = roundMs * ROUND_LENGTH;
    const result = await runOpenLoop({ issue, ratePerSec: RATE, durationMs, warmUpMs: WARM_UP_MS });
    rounds.push({ ...result, ...result.recorder.summary() });
  }
  const middle = (read: (round: (typeof rounds)[number]) => number): number => median(rounds.map(read));
  const errors = rounds.reduce((sum, round) => sum + round.errors, 0);
  const opsPerSec = middle((round) => round.opsPerSec);
  const p99Us = middle((round) => round.p99Us);
  const inMs = (us: number): string => (us / 1000).toFixed(2);
  const p99s = rounds.map((round) => round.p99Us);
  const note = [
    `${Math.round(opsPerSec).toLocaleString("en-US")} ops/s came back, ${errors} errors`,
    `p99 of single rounds ${inMs(Math.min(...p99s))} to ${inMs(Math.max(...p99s))} ms`,
  ].join("; ");
  const target = judge({
    ...{ id: "T4", source: "E", title: "p99 at 100,000 ops/s offered (open loop, get and put)" },
    ...{ goal: 1, bound: "below", unit: "ms", measured: p99Us / 1000, note },
  });
  const isKept = errors === 0 && opsPerSec >= 0.99 * RATE;
  return {
    target: isKept ? target : { ...target, pass: false },
    comparison: {
      workload: `mixed-100B@${RATE}/s`,
      subject: MILLRACE,
      opsPerSec,
      p50Us: middle((round) => round.p50Us),
      p99Us,
      p999Us: middle((round) => round.p999Us),
      cpuUsPerOp: null,
      errors,
      meanUs: middle((round) => round.meanUs),
      maxUs: Math.max(...rounds.map((round) => round.maxUs)),
      rounds: rounds.map((round) => Math.round(round.opsPerSec)),
    },
  };
}
