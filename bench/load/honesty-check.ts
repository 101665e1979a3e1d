import type { EngineOptions } from "../../src/index.js";
import { startDelayProxy } from "../../src/testing/index.js";
import { LatencyRecorder, type LatencySummary } from "../lib/latency-recorder.js";
import { formatUs } from "../lib/numbers.js";
import type { Verdict } from "../lib/report.js";
import { openPeer } from "../peers/all-peers.js";
import type { Peer } from "../peers/peer.js";
import { runClosedLoop } from "./closed-loop.js";
import type { Inputs } from "./inputs.js";
import { runOpenLoop } from "./open-loop.js";
import { bindOperation } from "./workload.js";

const SLOW_MS = 5;
const EVERY = 50; // 2 % of the replies
const STALL_MS = 200;
const STALL_RATE = 2000;
const RUN_MS = 1000;

/**
 * Does this harness see what is wrong? The way to the server is made slow on purpose and the percentiles must say so.
 * Of the stall a tenth of what the loop offers is hit; a closed loop would show it in as many samples as it has
 * tasks, which is why the last check is the one that matters.
 */
export async function checkHonesty(
  names: readonly string[],
  redis: { readonly url: string; readonly host: string; readonly port: number },
  inputs: Inputs,
  engine: EngineOptions,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const name of names) {
    let slow = false;
    let replies = 0;
    const proxy = await startDelayProxy({
      host: redis.host,
      port: redis.port,
      delayMs: () => (slow && ++replies % EVERY === 0 ? SLOW_MS : 0),
    });
    const url = new URL(redis.url);
    url.hostname = "127.0.0.1";
    url.port = String(proxy.port);
    const peer = await openPeer(name, engine);
    try {
      await peer.connect(url.toString());
      await runClosedLoop({ issue: bindOperation("put", peer, inputs), inFlight: 1, durationMs: RUN_MS / 4 });
      const clean = await closed(peer, inputs);
      slow = true;
      const slowed = await closed(peer, inputs);
      slow = false;
      const add = (title: string, measured: string, pass: boolean): void => {
        verdicts.push({ kind: "check", title: `${name}: ${title}`, measured, pass });
      };
      add(
        `${SLOW_MS} ms on 2 % of the replies are in p99 and p99.9, not in p50`,
        `p50 ${formatUs(slowed.p50Us)}, p99 ${formatUs(slowed.p99Us)}, was ${formatUs(clean.p50Us)} and ${formatUs(clean.p99Us)}`,
        slowed.p99Us >= SLOW_MS * 1000 * 0.98 && slowed.p999Us >= SLOW_MS * 1000 * 0.98 && slowed.p50Us < SLOW_MS * 500,
      );
      // Against its own median, because a run as a whole is faster or slower than the one before.
      const added = slowed.meanUs - slowed.p50Us;
      const expected = (SLOW_MS * 1000) / EVERY;
      add(
        "the mean is above the median by as much as was added",
        `${formatUs(added)}, expected about ${formatUs(expected)}`,
        added > expected * 0.7,
      );
      const stalled = runOpenLoop({
        issue: bindOperation("put", peer, inputs),
        ratePerSec: STALL_RATE,
        durationMs: 2 * RUN_MS,
      });
      setTimeout(() => proxy.stall(STALL_MS), RUN_MS / 2);
      const open = (await stalled).recorder.summary();
      add(
        `a stall of ${STALL_MS} ms is waited out by all that was due meanwhile (open loop)`,
        `p99 ${formatUs(open.p99Us)}, max ${formatUs(open.maxUs)}`,
        open.p99Us >= STALL_MS * 1000 * 0.8 && open.maxUs >= STALL_MS * 1000 * 0.95 && open.p50Us < STALL_MS * 100,
      );
    } finally {
      await peer.close();
      await proxy.close();
    }
  }
  return verdicts;
}

async function closed(peer: Peer, inputs: Inputs): Promise<LatencySummary> {
  const recorder = new LatencyRecorder();
  await runClosedLoop({ issue: bindOperation("put", peer, inputs), inFlight: 1, durationMs: RUN_MS, recorder });
  return recorder.summary();
}
