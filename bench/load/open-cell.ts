import { collectYoungGarbage } from "../lib/garbage.js";
import type { Comparison } from "../lib/report.js";
import type { Peer } from "../peers/peer.js";
import { runClosedLoop } from "./closed-loop.js";
import type { Inputs } from "./inputs.js";
import { runOpenLoop } from "./open-loop.js";
import { bindOperation, openLoopName, type Workload } from "./workload.js";

const WARM_UP_MS = 200;
/** At the rate itself: for a second the compiler learns how large the batches are now. */
const OPEN_WARM_UP_MS = 1500;
/** What a run takes besides its length: both warm-ups, and what lies around them. */
export const OPEN_AROUND_MS = WARM_UP_MS + OPEN_WARM_UP_MS + 100;

export interface OpenCellOptions {
  readonly ratePerSec: number;
  readonly durationMs: number;
  readonly progress: (text: string) => void;
}

/** One workload offered to one client at a rate. */
export async function measureOpen(
  workload: Workload,
  inputs: Inputs,
  peer: Peer,
  options: OpenCellOptions,
): Promise<Comparison> {
  const name = openLoopName(workload, options.ratePerSec);
  options.progress(`${name}  ${peer.name}`);
  const issue = bindOperation(workload.operation, peer, inputs);
  await runClosedLoop({ issue, inFlight: 10, durationMs: WARM_UP_MS });
  collectYoungGarbage();
  const { ratePerSec, durationMs } = options;
  const result = await runOpenLoop({ issue, ratePerSec, durationMs, warmUpMs: OPEN_WARM_UP_MS });
  const latency = result.recorder.summary();
  return {
    workload: name,
    subject: peer.name,
    opsPerSec: result.opsPerSec,
    p50Us: latency.p50Us,
    p99Us: latency.p99Us,
    p999Us: latency.p999Us,
    cpuUsPerOp: null,
    errors: result.errors,
    meanUs: latency.meanUs,
    maxUs: latency.maxUs,
    rounds: [Math.round(result.opsPerSec)],
  };
}
