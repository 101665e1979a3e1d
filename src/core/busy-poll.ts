import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";

/** An empty turn of the event loop takes a few microseconds; one that took longer did something. */
const EMPTY_TURN_MS = 0.02;
/**
 * Who never sleeps keeps its processor for as long as the system lets it, 1 to 3 ms at a stretch, and others wait for that
 * (four pollers and a store on two cores: p99 1 to 3 ms; with this 0.3 ms, as without polling).
 */
const AWAKE_AT_MOST_MS = 1;
/** So many waits are averaged, then the two ways are compared. */
const STRETCH = 32;
/** The other way is tried for one stretch after so many, twice as many each time that nothing has changed by it. */
const FIRST_HOLD = 4;
const LONGEST_POLLING_HOLD = 128;
const LONGEST_SLEEPING_HOLD = 32;
/** Of a new stretch in the average of its way: of the one that is used, and of the one that is tried, which are few. */
const WEIGHT = 1 / 32;
const TRIAL_WEIGHT = 1 / 2;
/** Longer waits count like this one: 1 % of them make a difference, and a collection of garbage now and then does not. */
const LONGEST_COUNTED_MS = 1;
/** Answers must come sooner by more than chance would have it. */
const WORTHWHILE_RATIO = 0.85 ** 2;
/** Preemptions for each wait: 0.01 to 0.05 on a machine with idle cores, 0.06 to 0.9 for four pollers and a store on two. */
const CROWDED_PREEMPTIONS = 0.1;
/** From so many on it is the store, which the system has given this core too for now: it does its work in each wait. */
const STORE_PREEMPTIONS = 0.75;
/** Waits that are so many times longer or shorter than usual, for so many stretches on end, belong to another load. */
const OTHER_LOAD_RATIO = 2;
const OTHER_LOAD_STRETCHES = 4;
/** Stretches before it begins anew once more: where loads change all the time, trials stay few. */
const BEGINS_ANEW_AFTER = 64;

/** What a wait depends on; in tests something else than the process. */
export interface PollSurroundings {
  readonly processors: number;
  /** Milliseconds, fractional, never going back. */
  nowMs(): number;
  /** Runs it when timers and sockets have had their turn. */
  inNextTurn(run: () => void): void;
  /** How often this process has had to leave a processor to others so far. */
  preemptions(): number;
}

const processSurroundings: PollSurroundings = {
  processors: availableParallelism(),
  nowMs: () => performance.now(),
  inNextTurn: (run) => {
    setImmediate(run);
  },
  preemptions: () => process.resourceUsage().involuntaryContextSwitches,
};

let polledInAllMs = 0;

/** Milliseconds for which this thread's event loop has turned with nothing to do; its utilization counts them as active. */
export function polledMs(): number {
  return polledInAllMs;
}

/**
 * Keeps the event loop turning, instead of asleep, while an answer is due within moments. To fall asleep and to be
 * woken takes an idle core 25 to 50 us: as much as a store on the same machine takes for its answer or more, and about
 * as much processor time as to wait for it awake.
 *
 * It stays awake for no longer than sleeping costs, so that a wait costs at most twice what the better of both would
 * (competitive spinning: Karlin, Li, Manasse and Owicki, "Empirical studies of competitive spinning for a
 * shared-memory multiprocessor", SOSP 1991). And it does so only while answers come sooner by it, which is found by
 * trying both (not from a store that is far away), and nobody else wants the processor: on a crowded machine who stays
 * awake takes from the others, the store among them, what they need to answer.
 */
export class BusyPoll {
  readonly #limitMs: number;
  readonly #surroundings: PollSurroundings;
  /** Of the squares of waits, either way; so long ones weigh more than they last. Undefined: none has been yet. */
  #asleepMean: number | undefined;
  #awakeMean: number | undefined;
  /** For each wait awake. */
  #preemptionsMean: number | undefined;
  #preemptionsBefore = 0;
  #polls = false;
  /** The way that is better so far is polling. */
  #prefersPolling = false;
  #hold = FIRST_HOLD;
  /** Stretches since the other way was tried. */
  #held = 0;
  #isTurning = false;
  /** When the wait under way began; undefined: nothing is waited for. */
  #startedMs: number | undefined;
  /** Through this wait. */
  #sleeps = true;
  #sleptAtMs = 0;
  #untilMs = 0;
  #turnedAtMs = 0;
  /** Of this stretch. */
  #waits = 0;
  #sum = 0;
  #squares = 0;
  /** Of waits in the way that is used; undefined: none has been yet. */
  #usualMs: number | undefined;
  /** Stretches on end that were not like that. */
  #unusual = 0;
  /** Stretches since it began, or began anew. */
  #known = 0;

  /** @param limitMs how long it stays awake for an answer; 0: never */
  constructor(limitMs: number, surroundings: PollSurroundings = processSurroundings) {
    this.#limitMs = surroundings.processors > 1 ? limitMs : 0;
    this.#surroundings = surroundings;
  }

  /** Something is about to be sent, and there is nothing to do until its answer is there. */
  expect(): void {
    if (this.#limitMs > 0) this.#wait(this.#surroundings.nowMs());
  }

  /** An answer came. @param isLast whether no other is due */
  answered(isLast: boolean): void {
    const startedMs = this.#startedMs;
    if (startedMs === undefined) return;
    this.#startedMs = undefined;
    const nowMs = this.#surroundings.nowMs();
    const waitedMs = Math.min(nowMs - startedMs, LONGEST_COUNTED_MS);
    this.#sum += waitedMs;
    this.#squares += waitedMs * waitedMs;
    if (++this.#waits === STRETCH) this.#endStretch();
    if (!isLast) this.#wait(nowMs);
  }

  #wait(nowMs: number): void {
    if (this.#startedMs === undefined) {
      this.#startedMs = nowMs;
      this.#sleeps = !this.#polls || nowMs - this.#sleptAtMs >= AWAKE_AT_MOST_MS;
      if (this.#sleeps) this.#sleptAtMs = nowMs;
    }
    if (this.#sleeps) return;
    this.#untilMs = nowMs + this.#limitMs;
    if (this.#isTurning) return;
    this.#isTurning = true;
    this.#turnedAtMs = nowMs;
    this.#surroundings.inNextTurn(this.#turn);
  }

  readonly #turn = (): void => {
    const nowMs = this.#surroundings.nowMs();
    const tookMs = nowMs - this.#turnedAtMs;
    this.#turnedAtMs = nowMs;
    if (tookMs < EMPTY_TURN_MS) polledInAllMs += tookMs;
    this.#isTurning = !this.#sleeps && this.#startedMs !== undefined && nowMs < this.#untilMs;
    if (this.#isTurning) this.#surroundings.inNextTurn(this.#turn);
  };

  #endStretch(): void {
    const isTrial = this.#polls !== this.#prefersPolling;
    const weight = isTrial ? TRIAL_WEIGHT : WEIGHT;
    const mean = this.#squares / STRETCH;
    if (this.#polls) {
      const preemptions = (this.#surroundings.preemptions() - this.#preemptionsBefore) / STRETCH;
      this.#awakeMean = moved(this.#awakeMean, mean, weight);
      if (preemptions < STORE_PREEMPTIONS) {
        this.#preemptionsMean = moved(this.#preemptionsMean, preemptions, weight);
      }
    } else {
      this.#asleepMean = moved(this.#asleepMean, mean, weight);
    }
    const preferred = this.#prefersPolling;
    this.#decide(isTrial);
    if (this.#prefersPolling !== preferred) this.#usualMs = undefined;
    else if (!isTrial && this.#isOtherLoad(this.#sum / STRETCH)) this.#beginAnew();
    this.#waits = 0;
    this.#sum = 0;
    this.#squares = 0;
    if (this.#polls) this.#preemptionsBefore = this.#surroundings.preemptions();
  }

  #decide(isTrial: boolean): void {
    const prefersPolling = this.#isWorthwhile();
    if (prefersPolling !== this.#prefersPolling) {
      this.#prefersPolling = prefersPolling;
      this.#hold = FIRST_HOLD;
      this.#held = 0;
    } else if (isTrial) {
      this.#hold = Math.min(2 * this.#hold, prefersPolling ? LONGEST_POLLING_HOLD : LONGEST_SLEEPING_HOLD);
      this.#held = 0;
    } else {
      this.#held++;
    }
    this.#polls = this.#held < this.#hold ? prefersPolling : !prefersPolling;
  }

  /**
   * Whether waits have not been what they were for some time: what is known of them is of another load. One way is
   * tried seldom, so what is remembered of it would be compared with what comes now for thousands of waits.
   */
  #isOtherLoad(meanMs: number): boolean {
    this.#known++;
    const usualMs = this.#usualMs ?? meanMs;
    const isUnusual = meanMs > OTHER_LOAD_RATIO * usualMs || meanMs * OTHER_LOAD_RATIO < usualMs;
    this.#unusual = isUnusual ? this.#unusual + 1 : 0;
    this.#usualMs = isUnusual ? usualMs : moved(usualMs, meanMs, WEIGHT);
    return this.#unusual >= OTHER_LOAD_STRETCHES && this.#known >= BEGINS_ANEW_AFTER;
  }

  #beginAnew(): void {
    this.#asleepMean = undefined;
    this.#awakeMean = undefined;
    this.#preemptionsMean = undefined;
    this.#usualMs = undefined;
    this.#unusual = 0;
    this.#known = 0;
    this.#prefersPolling = false;
    this.#polls = false;
    this.#hold = FIRST_HOLD;
    this.#held = 0;
  }

  #isWorthwhile(): boolean {
    const awake = this.#awakeMean ?? Number.POSITIVE_INFINITY;
    const isSooner = awake < WORTHWHILE_RATIO * (this.#asleepMean ?? 0);
    return isSooner && (this.#preemptionsMean ?? 0) < CROWDED_PREEMPTIONS;
  }
}

function moved(average: number | undefined, value: number, weight: number): number {
  return average === undefined ? value : average + weight * (value - average);
}
