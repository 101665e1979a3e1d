import { build, type Histogram } from "hdr-histogram-js";

/**
 * Recording must cost next to nothing beside an operation of half a microsecond, so a sample is one increment in a
 * log-linear table (1024 steps per power of two, error <= 0.1 %) of tenths of a microsecond. The table is poured into
 * an HDR histogram when percentiles are asked for.
 */
const UNITS_PER_MS = 10_000;
const STEP_BITS = 10;
const STEPS = 1 << STEP_BITS;
const HIGHEST_UNITS = 0x7fffffff; // 214 s
const TABLE_LENGTH = (31 - STEP_BITS) * STEPS + STEPS;

export interface LatencySummary {
  readonly count: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

export class LatencyRecorder {
  readonly #table = new Uint32Array(TABLE_LENGTH);
  #sumMs = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Negative durations (a clock that was set back) count as 0, those beyond 214 s as 214 s. */
  record(ms: number): void {
    const wanted = ms * UNITS_PER_MS;
    const units = wanted >= HIGHEST_UNITS ? HIGHEST_UNITS : wanted > 0 ? wanted | 0 : 0;
    this.#sumMs += ms;
    this.#count++;
    if (units < 2 * STEPS) {
      this.#table[units]!++;
      return;
    }
    const shift = 31 - STEP_BITS - Math.clz32(units);
    this.#table[shift * STEPS + (units >>> shift)]!++;
  }

  /** Adds everything the other one holds. */
  add(other: LatencyRecorder): void {
    for (let i = 0; i < TABLE_LENGTH; i++) this.#table[i]! += other.#table[i]!;
    this.#sumMs += other.#sumMs;
    this.#count += other.#count;
  }

  toHistogram(): Histogram {
    const histogram = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: HIGHEST_UNITS,
      numberOfSignificantValueDigits: 3,
      bitBucketSize: 64,
      autoResize: false,
      useWebAssembly: false,
    });
    for (let index = 0; index < TABLE_LENGTH; index++) {
      const count = this.#table[index]!;
      if (count > 0) histogram.recordValueWithCount(middleOf(index), count);
    }
    return histogram;
  }

  summary(): LatencySummary {
    const histogram = this.toHistogram();
    const us = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 10;
    return {
      count: this.#count,
      meanUs: this.#count === 0 ? 0 : (this.#sumMs * 1000) / this.#count,
      p50Us: us(50),
      p99Us: us(99),
      p999Us: us(99.9),
      maxUs: this.#count === 0 ? 0 : histogram.maxValue / 10,
    };
  }
}

function middleOf(index: number): number {
  if (index < 2 * STEPS) return index;
  const shift = Math.floor(index / STEPS) - 1;
  const lowest = (index - shift * STEPS) * 2 ** shift;
  return lowest + 2 ** (shift - 1);
}
