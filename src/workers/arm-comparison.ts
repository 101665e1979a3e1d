import type { CodecDirection } from "../codec/batch-codec.js";
import type { Clock } from "../core/clock.js";
import type { ComparisonState, CostClassState } from "./codec-pool-statistics.js";
import { type ArmSample, PairedRatios } from "./paired-ratios.js";

/*
 * Which of two ways, inline or offloaded, lets this process do more: nothing tells that but trying, since it hangs on
 * the machine's idle cores, the store and the callers. The two are tried in turn for short windows, in the order
 * i o o i, so that a drift of the load favours neither, and their throughputs (operations settled per time) are
 * compared pair by pair, the calling thread's busy time beside them. A window in which the way tried does far worse
 * than the other did is cut short. A verdict stands for a time that doubles while it is confirmed, and grows faster
 * where it is beyond doubt; a load that changed is asked sooner. So the share of time spent in the worse way falls
 * towards nothing, and is a few per cent at most.
 *
 * One direction is tried at a time, with all its sizes: batches change their size with the way they are treated.
 */
const GUARD_MS = 4;
const WINDOW_MS = 25;
const MAX_WINDOW_MS = 300;
/** Where codec work takes this share of the time, a window waits for its batches for longer. */
const LARGE_SHARE = 0.05;
const MAX_LARGE_WINDOW_MS = 2000;
const NS_PER_MS = 1e6;
/** A way that does less than this of what the other did need not be watched for longer than so. */
const FAR_WORSE = 0.65;
const SHORT_WINDOW_MS = 8;
/** Fewer batches with codec work than this make no window. */
const MIN_BATCHES = 6;
/** Nothing was called for so long: the load paused, and the window is void. */
const PAUSE_MS = 5;
const FIRST_INTERVAL_MS = 1000;
/** And at first at least so many times as long as the trial took. */
const FIRST_INTERVAL_TRIALS = 2;
const LAST_INTERVAL_MS = 60_000;
const INTERVAL_GROWTH = 2;
const CLEAR_INTERVAL_GROWTH = 4;
const CHANGED_BY = 1.6;
const CHANGED_WINDOWS = 8;
const COST_CLASSES = 16;
const MAX_CLASSED_NS = 2 ** 30;
const UNKNOWN_RATE = 0;

type Verdict = "inline" | "offload";

interface CostClass {
  readonly name: string;
  readonly direction: CodecDirection;
  verdict: Verdict | undefined;
  /** Batches since the window began, and what they would cost the calling thread. */
  batches: number;
  inlineNs: number;
  dueMs: number;
  intervalMs: number;
  throughputRatio: number;
  busyRatio: number;
  rate: number;
  changedWindows: number;
}

interface Trial {
  readonly subject: CostClass;
  readonly seen: Set<CostClass>;
  readonly pairs: PairedRatios;
  readonly startMs: number;
  step: number;
  /** Of the pair that is not complete yet. */
  first: ArmSample | undefined;
  /** Operations per millisecond in the last window of either way. */
  inlineRate: number;
  offloadRate: number;
}

export interface ArmComparisonDependencies {
  readonly clock: Clock;
  /** Milliseconds that this thread's event loop was busy so far. */
  readonly busyMs: () => number;
}

export class ArmComparison {
  readonly #dependencies: ArmComparisonDependencies;
  readonly #classes: (CostClass | undefined)[] = [];
  readonly #known: CostClass[] = [];
  #trial: Trial | undefined;
  #trialOffloads = false;
  /** Since when nothing is pending; 0: something is. */
  #idleSinceMs = 0;
  #startMs = 0;
  #endMs = 0;
  #startBusyMs = 0;
  #operations = 0;
  #settles = 0;
  #inGuard = true;
  #busyShare = 0;

  constructor(dependencies: ArmComparisonDependencies) {
    this.#dependencies = dependencies;
  }

  /** Share of the last window in which this thread's event loop was busy. */
  get busyShare(): number {
    return this.#busyShare;
  }

  /** The way for a batch; `assumed` until something is known. */
  offloads(direction: CodecDirection, inlineNs: number, assumed: boolean): boolean {
    if (this.#idleSinceMs > 0) this.#endPause();
    const index = classIndex(direction, inlineNs);
    const costClass = this.#classes[index] ?? this.#add(direction, index);
    costClass.batches++;
    costClass.inlineNs += inlineNs;
    if (this.#trial !== undefined && this.#trial.subject.direction === direction) return this.#trialOffloads;
    const verdict = costClass.verdict ?? this.#nearestVerdict(index);
    return verdict === undefined ? assumed : verdict === "offload";
  }

  /** Whether a trial or a verdict covers such a batch. */
  knows(direction: CodecDirection, inlineNs: number): boolean {
    if (this.#trial !== undefined && this.#trial.subject.direction === direction) return true;
    return this.#classes[classIndex(direction, inlineNs)]?.verdict !== undefined;
  }

  /** @param isIdle nothing is pending any more */
  settled(operations: number, isIdle: boolean): void {
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (isIdle) this.#idleSinceMs = nowMs;
    this.#operations += operations;
    this.#settles++;
    if (nowMs < this.#endMs && !this.#isFarWorse(nowMs)) return;
    if (this.#inGuard) this.#beginMeasuring(nowMs);
    else this.#endWindow(nowMs);
  }

  describe(): ComparisonState {
    const describeClass = ({
      name,
      direction,
      verdict,
      throughputRatio,
      busyRatio,
      intervalMs,
    }: CostClass): CostClassState => ({
      class: name,
      direction,
      verdict: verdict ?? "none",
      throughputRatio,
      busyRatio,
      nextTrialAfterMs: intervalMs,
    });
    return {
      trial: this.#trial === undefined ? "none" : this.#trial.subject.name,
      busyShare: this.#busyShare,
      classes: this.#known.map(describeClass),
    };
  }

  #add(direction: CodecDirection, index: number): CostClass {
    const fromUs = 4 ** (index % COST_CLASSES) / 1000;
    const costClass: CostClass = {
      name: `${direction} from ${fromUs < 10 ? fromUs.toFixed(1) : Math.round(fromUs)} us`,
      direction,
      verdict: undefined,
      batches: 0,
      inlineNs: 0,
      dueMs: 0,
      intervalMs: FIRST_INTERVAL_MS,
      throughputRatio: 1,
      busyRatio: 1,
      rate: UNKNOWN_RATE,
      changedWindows: 0,
    };
    this.#classes[index] = costClass;
    this.#known.push(costClass);
    return costClass;
  }

  /** Of the same direction: batches too rare to be tried are judged as those most like them. */
  #nearestVerdict(index: number): Verdict | undefined {
    const first = index - (index % COST_CLASSES);
    for (let distance = 1; distance < COST_CLASSES; distance++) {
      for (const near of [index - distance, index + distance]) {
        const verdict = near >= first && near < first + COST_CLASSES ? this.#classes[near]?.verdict : undefined;
        if (verdict !== undefined) return verdict;
      }
    }
    return undefined;
  }

  /** What a window has counted so far is void if the load paused in it; what a trial found before stands. */
  #endPause(): void {
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (nowMs - this.#idleSinceMs > PAUSE_MS) this.#beginWindow(nowMs);
    this.#idleSinceMs = 0;
  }

  #beginWindow(nowMs: number): void {
    this.#inGuard = true;
    this.#endMs = nowMs + GUARD_MS;
  }

  #beginMeasuring(nowMs: number): void {
    this.#inGuard = false;
    this.#startMs = nowMs;
    this.#endMs = nowMs + WINDOW_MS;
    this.#startBusyMs = this.#dependencies.busyMs();
    this.#operations = 0;
    this.#settles = 0;
    for (const costClass of this.#known) {
      costClass.batches = 0;
      costClass.inlineNs = 0;
    }
  }

  /** Whether the way tried falls so far behind the other that no more of it is needed to tell. */
  #isFarWorse(nowMs: number): boolean {
    const trial = this.#trial;
    if (trial === undefined || this.#inGuard || this.#settles < MIN_BATCHES) return false;
    const elapsedMs = nowMs - this.#startMs;
    const otherRate = this.#trialOffloads ? trial.inlineRate : trial.offloadRate;
    return elapsedMs >= SHORT_WINDOW_MS && this.#operations < otherRate * FAR_WORSE * elapsedMs;
  }

  #endWindow(nowMs: number): void {
    const elapsedMs = nowMs - this.#startMs;
    const direction = this.#trial?.subject.direction;
    let batches = 0;
    let inlineNs = 0;
    for (const costClass of this.#known) {
      if (direction !== undefined && costClass.direction !== direction) continue;
      batches += costClass.batches;
      inlineNs += costClass.inlineNs;
    }
    const tooFew = batches < MIN_BATCHES || this.#settles < MIN_BATCHES;
    const longestMs = inlineNs > elapsedMs * NS_PER_MS * LARGE_SHARE ? MAX_LARGE_WINDOW_MS : MAX_WINDOW_MS;
    if (tooFew && elapsedMs < longestMs && (batches > 0 || this.#trial !== undefined)) {
      this.#endMs = nowMs + WINDOW_MS;
      return;
    }
    const busyMs = this.#dependencies.busyMs() - this.#startBusyMs;
    this.#busyShare = Math.min(1, busyMs / elapsedMs);
    const sample = { rate: this.#operations / elapsedMs, busy: busyMs / Math.max(1, this.#operations) };
    if (this.#trial !== undefined && batches >= MIN_BATCHES) this.#record(this.#trial, sample, nowMs);
    else {
      this.#trial = undefined;
      this.#watch(sample, nowMs);
    }
    this.#beginWindow(nowMs);
  }

  #record(trial: Trial, sample: ArmSample, nowMs: number): void {
    for (const costClass of this.#known) {
      if (costClass.direction === trial.subject.direction && costClass.batches > 0) trial.seen.add(costClass);
    }
    if (this.#trialOffloads) trial.offloadRate = sample.rate;
    else trial.inlineRate = sample.rate;
    if (trial.first === undefined) {
      trial.first = sample;
    } else {
      const [inline, offload] = this.#trialOffloads ? [trial.first, sample] : [sample, trial.first];
      trial.pairs.add(inline, offload);
      trial.first = undefined;
      if (trial.pairs.isConclusive(trial.subject.verdict)) {
        this.#conclude(trial, sample, nowMs);
        return;
      }
    }
    trial.step++;
    this.#trialOffloads = trial.step % 4 === 1 || trial.step % 4 === 2;
  }

  #conclude(trial: Trial, sample: ArmSample, nowMs: number): void {
    const verdict = trial.pairs.favoursOffload(trial.subject.verdict) ? "offload" : "inline";
    const growth = trial.pairs.isClear(trial.subject.verdict) ? CLEAR_INTERVAL_GROWTH : INTERVAL_GROWTH;
    const confirmed = trial.subject.verdict === verdict;
    const firstMs = Math.max(FIRST_INTERVAL_MS, FIRST_INTERVAL_TRIALS * (nowMs - trial.startMs));
    const intervalMs = Math.min(confirmed ? trial.subject.intervalMs * growth : firstMs, LAST_INTERVAL_MS);
    for (const costClass of trial.seen) {
      costClass.verdict = verdict;
      costClass.intervalMs = intervalMs;
      costClass.dueMs = nowMs + intervalMs;
      costClass.throughputRatio = trial.pairs.throughputRatio;
      costClass.busyRatio = trial.pairs.busyRatio;
      // If the last window tried the other way, the next one tells.
      costClass.rate = this.#trialOffloads === (verdict === "offload") ? sample.rate : UNKNOWN_RATE;
      costClass.changedWindows = 0;
    }
    this.#trial = undefined;
  }

  /** Outside trials: notices that the load is another than the one judged, and begins the next trial that is due. */
  #watch(sample: ArmSample, nowMs: number): void {
    let busiest: CostClass | undefined;
    for (const costClass of this.#known) {
      if (costClass.batches < MIN_BATCHES) continue;
      if (costClass.rate === UNKNOWN_RATE) costClass.rate = sample.rate;
      const change = sample.rate / costClass.rate;
      costClass.changedWindows = change > CHANGED_BY || change < 1 / CHANGED_BY ? costClass.changedWindows + 1 : 0;
      if (costClass.changedWindows >= CHANGED_WINDOWS) {
        costClass.dueMs = Math.min(costClass.dueMs, nowMs);
        costClass.intervalMs = FIRST_INTERVAL_MS;
      }
      if (costClass.dueMs <= nowMs && (busiest === undefined || costClass.batches > busiest.batches)) {
        busiest = costClass;
      }
    }
    if (busiest === undefined) return;
    this.#trial = {
      subject: busiest,
      seen: new Set([busiest]),
      pairs: new PairedRatios(),
      startMs: nowMs,
      step: 0,
      first: undefined,
      inlineRate: 0,
      offloadRate: 0,
    };
    this.#trialOffloads = false;
  }
}

function classIndex(direction: CodecDirection, inlineNs: number): number {
  const magnitude = Math.min(COST_CLASSES - 1, (31 - Math.clz32(Math.min(inlineNs, MAX_CLASSED_NS) | 1)) >> 1);
  return direction === "encode" ? magnitude : magnitude + COST_CLASSES;
}
