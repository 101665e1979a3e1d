import { summaryOfCounts } from "../observability/latency-summary.js";
import type { BatchCutReport, BatchingReport } from "./batching-report.js";
import type { EngineCore } from "./engine-core.js";

export function explainBatching(core: EngineCore): BatchingReport {
  const { counters } = core.pipeline;
  const { batches, batchedOperations: operations, coalesced } = counters;
  const sizes = summaryOfCounts(core.telemetry.meters.batchSizes.totals);
  const cutFor = (count: number): BatchCutReport => ({ batches: count, share: shareOf(count, batches) });
  const cuts = {
    size: cutFor(counters.cuts.size),
    bytes: cutFor(counters.cuts.bytes),
    hazard: cutFor(counters.cuts.hazard),
    turn: cutFor(counters.cuts.turn),
  };
  const report = {
    ...{ batches, operations, cuts, coalesced },
    sizes: {
      mean: shareOf(operations, batches),
      ...{ p50: sizes.p50Us, p90: sizes.p90Us, p99: sizes.p99Us, max: sizes.maxUs },
    },
    coalescingRate: shareOf(coalesced, operations),
  };
  return { ...report, text: textOf(report, core) };
}

function textOf(report: Omit<BatchingReport, "text">, { options, driver }: EngineCore): string {
  const { batches, operations, sizes, cuts, coalesced, coalescingRate } = report;
  if (batches === 0) return "No batch has been made yet.";
  const { maxSize, maxBytes } = options.batching;
  const { batchSize = maxSize } = driver.capabilities;
  const usual = batchSize < maxSize ? `; usually ${batchSize} on ${driver.name}` : "";
  const lines = [
    `${operations} operations went in ${counted(batches)}: ${sizes.mean.toFixed(1)} each on average, ` +
      `${sizes.p50} at the median, ${sizes.p99} at the 99th percentile, ${sizes.max} at most.`,
    `${coalesced} of them (${percent(coalescingRate)}) shared another's command.`,
  ];
  const reasons: [keyof typeof cuts, string][] = [
    ["turn", "nothing more was there"],
    ["size", `they were full by count (batching.maxSize ${maxSize}${usual})`],
    ["bytes", `they were full by bytes (batching.maxBytes ${maxBytes})`],
    ["hazard", "an operation had to come after one of the same key"],
  ];
  for (const [cut, reason] of reasons) {
    const { batches: ended, share } = cuts[cut];
    if (ended > 0) lines.push(`${counted(ended)} (${percent(share)}) ended because ${reason}.`);
  }
  return lines.join("\n");
}

function counted(batches: number): string {
  return `${batches} ${batches === 1 ? "batch" : "batches"}`;
}

function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
