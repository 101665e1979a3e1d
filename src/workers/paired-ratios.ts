/** One window of one way. */
export interface ArmSample {
  /** Operations per millisecond. */
  readonly rate: number;
  /** Milliseconds of the calling thread per operation. */
  readonly busy: number;
}

const MIN_PAIRS = 3;
const MAX_PAIRS = 16;
/** Standard errors on either side of the mean that hold the truth. */
const CONFIDENCE = 2;
const PRECISE_ENOUGH = 0.015;
/** Throughput ratios between which the calling thread's time decides. */
const CLEARLY_MORE = Math.log(1.03);
const ABOUT_EQUAL = Math.log(0.97);
const SOMEWHAT_LESS = Math.log(0.93);
const FREES_NOTICEABLY = 0.85;
const FREES_HALF = 0.5;
/** So far from the threshold there is no doubt after two pairs. */
const BEYOND_DOUBT = Math.log(1.35);
const FEWEST_PAIRS = 2;
/** A verdict is overturned only by a difference larger than would have made it. */
const HYSTERESIS = 0.015;

type Verdict = "inline" | "offload" | undefined;

/** Throughput and busy time of offloading relative to inline, over pairs of windows. */
export class PairedRatios {
  readonly #throughputs: number[] = [];
  #busySum = 0;

  add(inline: ArmSample, offload: ArmSample): void {
    this.#throughputs.push(Math.log(Math.max(offload.rate, 1e-9) / Math.max(inline.rate, 1e-9)));
    this.#busySum += Math.log(Math.max(offload.busy, 1e-9) / Math.max(inline.busy, 1e-9));
  }

  get throughputRatio(): number {
    return Math.exp(mean(this.#throughputs));
  }

  get busyRatio(): number {
    return Math.exp(this.#busySum / this.#throughputs.length);
  }

  isConclusive(previous: Verdict): boolean {
    const pairs = this.#throughputs.length;
    if (pairs >= MAX_PAIRS) return true;
    // One pair suffices to find what was found before.
    if (previous !== undefined && pairs <= 2) return this.favoursOffload(previous) === (previous === "offload");
    if (pairs >= FEWEST_PAIRS && this.isClear(previous)) return true;
    if (pairs < MIN_PAIRS) return false;
    const middle = mean(this.#throughputs);
    const error = standardError(this.#throughputs, middle);
    if (error < PRECISE_ENOUGH) return true;
    const threshold = this.#threshold(previous);
    return Math.abs(middle - threshold) > CONFIDENCE * error;
  }

  /** Every pair is far on the same side. */
  isClear(previous: Verdict): boolean {
    const threshold = this.#threshold(previous);
    return (
      this.#throughputs.every((ratio) => ratio > threshold + BEYOND_DOUBT) ||
      this.#throughputs.every((ratio) => ratio < threshold - BEYOND_DOUBT)
    );
  }

  favoursOffload(previous: Verdict): boolean {
    return mean(this.#throughputs) > this.#threshold(previous);
  }

  /** The least throughput at which offloading is worth the time it frees. */
  #threshold(previous: Verdict): number {
    const busy = this.busyRatio;
    const threshold = busy < FREES_HALF ? SOMEWHAT_LESS : busy < FREES_NOTICEABLY ? ABOUT_EQUAL : CLEARLY_MORE;
    if (previous === undefined) return threshold;
    return previous === "offload" ? threshold - HYSTERESIS : threshold + HYSTERESIS;
  }
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function standardError(numbers: readonly number[], middle: number): number {
  const squares = numbers.reduce((sum, number) => sum + (number - middle) ** 2, 0);
  return Math.sqrt(squares / (numbers.length - 1) / numbers.length);
}
