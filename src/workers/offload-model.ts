import type { CodecDirection } from "../codec/batch-codec.js";
import type { CompressorName } from "../codec/compression/compressor.js";
import type { Clock } from "../core/clock.js";
import { ArmComparison } from "./arm-comparison.js";
import type { CostBySize, OffloadModelState } from "./codec-pool-statistics.js";
import { CostEstimate, type CostPrior } from "./cost-estimate.js";

/*
 * Whether a batch's codec work is given away. In this order:
 *
 *   1. Work that takes little more than a hop to another thread stays, as does work whose handing over would cost
 *      the calling thread nearly as much.
 *   2. Compression that would hold up the event loop for too long by itself goes, whatever that does to throughput;
 *      decompression can be spread over turns.
 *   3. While the event loop has time to spare, waiting is what counts: work of a few hops' length stays.
 *   4. Otherwise what trials under the present load showed decides (arm-comparison.ts).
 */
const NS_PER_MS = 1e6;
/** Calling thread: message out, message in, promise. Measured in `bench/micro`; the copying is learned. */
const HOP_BUSY_NS = 20_000;
const FIRST_HOP_NS = 60_000;
const LEAST_INLINE_NS = 2 * HOP_BUSY_NS;
const WORTH_HANDING_OVER = 0.85;
/** What goes for this sake goes whatever that does to throughput, so it is the pause that may be felt. */
const FELT_PAUSE_NS = 4 * NS_PER_MS;
/** Decompression in one turn of the event loop; what is more is spread over turns. */
const TURN_BUDGET_NS = 2 * NS_PER_MS;
const SPARE_BUSY_SHARE = 0.75;
const HOPS_WORTH_WAITING = 3;
/** Without trials, at light load, only long work goes. */
const LONG_WORK_NS = NS_PER_MS;
const QUEUE_PER_THREAD = 16;
const LEARNED_HOP_WEIGHT = 0.05;

/** Rough, for one recent core; corrected by calibration and by every observation. */
const INLINE_PRIORS: Record<CompressorName, Record<CodecDirection, CostPrior>> = {
  lz4: { encode: { perValueNs: 700, perByteNs: 1.5 }, decode: { perValueNs: 500, perByteNs: 0.7 } },
  zstd: { encode: { perValueNs: 10_000, perByteNs: 4 }, decode: { perValueNs: 3000, perByteNs: 2 } },
  snappy: { encode: { perValueNs: 1100, perByteNs: 0.8 }, decode: { perValueNs: 2000, perByteNs: 0.25 } },
};
const HANDING_PRIORS: Record<CodecDirection, CostPrior> = {
  encode: { perValueNs: 250, perByteNs: 0.15 },
  decode: { perValueNs: 300, perByteNs: 0.1 },
};

export interface OffloadModelOptions {
  readonly codec: CompressorName | "none";
  readonly threads: number;
  readonly clock: Clock;
  /** Milliseconds that this thread's event loop was busy so far. */
  readonly busyMs: () => number;
  /** Calls back once this turn of the event loop is over. */
  readonly afterTurn: (callback: () => void) => void;
}

interface DirectionCosts {
  readonly inline: CostEstimate;
  readonly handing: CostEstimate;
}

export class OffloadModel {
  readonly #options: OffloadModelOptions;
  readonly #encode: DirectionCosts;
  readonly #decode: DirectionCosts;
  readonly #comparison: ArmComparison;
  readonly #choices = { inline: 0, offload: 0 };
  #hopNs = FIRST_HOP_NS;
  #turnNs = 0;

  constructor(options: OffloadModelOptions) {
    this.#options = options;
    // Whatever is written, values compressed by another codec may be met when reading; lz4 is the most modest guess.
    const codec = options.codec === "none" ? "lz4" : options.codec;
    const costs = (direction: CodecDirection): DirectionCosts => ({
      inline: new CostEstimate(INLINE_PRIORS[codec][direction]),
      handing: new CostEstimate(HANDING_PRIORS[direction]),
    });
    this.#encode = costs("encode");
    this.#decode = costs("decode");
    this.#comparison = new ArmComparison(options);
  }

  /** What the work would cost here, if it is worth a thread at all; 0: it is not. */
  offloadableNs(direction: CodecDirection, values: number, bytes: number): number {
    const costs = this.#costs(direction);
    const inlineNs = costs.inline.ns(values, bytes);
    if (inlineNs < LEAST_INLINE_NS) return 0;
    const handingNs = HOP_BUSY_NS + costs.handing.ns(values, bytes);
    return handingNs < inlineNs * WORTH_HANDING_OVER ? inlineNs : 0;
  }

  /** @param jobs under way on the threads */
  offloads(direction: CodecDirection, values: number, bytes: number, jobs: number): boolean {
    const inlineNs = this.offloadableNs(direction, values, bytes);
    const offload = inlineNs > 0 && this.#choose(direction, inlineNs, jobs);
    if (offload) {
      this.#choices.offload++;
    } else {
      this.#choices.inline++;
    }
    return offload;
  }

  /** Whether this much more work on the calling thread would hold up its event loop in this turn. */
  fillsTurn(direction: CodecDirection, values: number, bytes: number): boolean {
    const inlineNs = this.#costs(direction).inline.ns(values, bytes);
    if (inlineNs < LEAST_INLINE_NS) return false;
    if (this.#turnNs === 0) this.#options.afterTurn(this.#endTurn);
    this.#turnNs += inlineNs;
    return this.#turnNs > TURN_BUDGET_NS;
  }

  inlineMs(direction: CodecDirection, values: number, bytes: number): number {
    return this.#costs(direction).inline.ns(values, bytes) / NS_PER_MS;
  }

  observeInline(direction: CodecDirection, values: number, bytes: number, elapsedMs: number): void {
    this.#costs(direction).inline.observe(values, bytes, elapsedMs * NS_PER_MS);
  }

  /** @param handingMs what this thread spent on packing and unpacking */
  observeHanding(direction: CodecDirection, values: number, bytes: number, handingMs: number): void {
    this.#costs(direction).handing.observe(values, bytes, handingMs * NS_PER_MS);
  }

  /** The time from handing over to having the results, less the work itself: the least of late counts. */
  observeHop(elapsedMs: number): void {
    const ns = elapsedMs * NS_PER_MS;
    this.#hopNs = ns < this.#hopNs ? Math.max(ns, HOP_BUSY_NS) : this.#hopNs + (this.#hopNs * LEARNED_HOP_WEIGHT) / 50;
  }

  /** @param isIdle nothing is pending any more */
  settled(operations: number, isIdle: boolean): void {
    this.#comparison.settled(operations, isIdle);
  }

  describe(): OffloadModelState {
    const perValueNs = (estimate: CostEstimate): CostBySize => ({
      "1KiB": Math.round(estimate.ns(1, 1024)),
      "64KiB": Math.round(estimate.ns(1, 65_536)),
    });
    return {
      choices: { ...this.#choices },
      hopUs: this.#hopNs / 1000,
      inlineNs: { encode: perValueNs(this.#encode.inline), decode: perValueNs(this.#decode.inline) },
      handingNs: { encode: perValueNs(this.#encode.handing), decode: perValueNs(this.#decode.handing) },
      ...this.#comparison.describe(),
    };
  }

  #choose(direction: CodecDirection, inlineNs: number, jobs: number): boolean {
    const { threads, codec } = this.#options;
    if (jobs >= threads * QUEUE_PER_THREAD) return false;
    if (direction === "encode" && inlineNs > FELT_PAUSE_NS) return true;
    const comparison = this.#comparison;
    if (
      inlineNs < this.#hopNs * HOPS_WORTH_WAITING &&
      comparison.busyShare < SPARE_BUSY_SHARE &&
      !comparison.knows(direction, inlineNs)
    ) {
      return false;
    }
    return comparison.offloads(direction, inlineNs, codec === "zstd" || inlineNs >= LONG_WORK_NS);
  }

  readonly #endTurn = (): void => {
    this.#turnNs = 0;
  };

  #costs(direction: CodecDirection): DirectionCosts {
    return direction === "encode" ? this.#encode : this.#decode;
  }
}
