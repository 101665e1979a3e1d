import { middleOfSlot, SLOTS } from "./log-linear.js";

export type MetricType = "counter" | "gauge" | "histogram";
export type MetricLabels = Readonly<Record<string, string>>;

export interface Sample {
  /** Behind the metric's name; "" but for the lines of a histogram. */
  readonly suffix: string;
  readonly labels: MetricLabels;
  readonly value: number;
}

/** What a metric is, and where its samples come from when it is scraped. */
export interface MetricDefinition<Source> {
  /** Without the prefix. */
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  samples(source: Source): readonly Sample[];
}

interface Series {
  readonly labels: MetricLabels;
  /** The same with each bound: made once, so that their text can be kept as well. */
  readonly buckets: readonly MetricLabels[];
}

/** Turns counts by slot into cumulative buckets. */
export class HistogramShape {
  readonly #bounds: readonly number[];
  /** The first slot beyond each bound, and beyond all of them. */
  readonly #ends: Uint16Array;
  readonly #middles: Float64Array;
  readonly #series = new Map<string, Series>();

  /** @param scale the metric's units in one of the counted, such as seconds in a microsecond */
  constructor(bounds: readonly number[], scale: number) {
    this.#bounds = [...bounds, Number.POSITIVE_INFINITY];
    this.#middles = Float64Array.from({ length: SLOTS }, (_, slot) => middleOfSlot(slot) * scale);
    this.#ends = Uint16Array.from(this.#bounds, (bound) => {
      const end = this.#middles.findIndex((middle) => middle > bound);
      return end < 0 ? SLOTS : end;
    });
  }

  /** Cumulative buckets, sum and count. */
  samples(counts: Float64Array, labels: MetricLabels): Sample[] {
    const series = this.#seriesOf(labels);
    const samples: Sample[] = [];
    let slot = 0;
    let count = 0;
    let sum = 0;
    for (let bound = 0; bound < this.#ends.length; bound++) {
      for (const end = this.#ends[bound]!; slot < end; slot++) {
        const here = counts[slot]!;
        if (here === 0) continue;
        count += here;
        sum += here * this.#middles[slot]!;
      }
      samples.push({ suffix: "_bucket", labels: series.buckets[bound]!, value: count });
    }
    const { labels: own } = series;
    samples.push({ suffix: "_sum", labels: own, value: sum }, { suffix: "_count", labels: own, value: count });
    return samples;
  }

  #seriesOf(labels: MetricLabels): Series {
    const mark = Object.values(labels).join("\n");
    const known = this.#series.get(mark);
    if (known !== undefined) return known;
    const buckets = this.#bounds.map((bound) => ({ ...labels, le: bound === Infinity ? "+Inf" : String(bound) }));
    const series = { labels, buckets };
    this.#series.set(mark, series);
    return series;
  }
}
