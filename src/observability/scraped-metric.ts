import type { Metric, Registry } from "prom-client";
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

/**
 * Registers metrics that are filled when they are scraped. They are objects of the shape the registry asks for, because
 * prom-client's own classes would have each number told to them on the way, which is too dear for hot paths.
 */
export function registerScraped<Source>(
  registry: Registry,
  prefix: string,
  definitions: readonly MetricDefinition<Source>[],
  source: () => Source,
): void {
  for (const definition of definitions) {
    const name = prefix + definition.name;
    const metric = {
      name,
      help: definition.help,
      type: definition.type,
      labelNames: definition.labels,
      aggregator: "sum",
      async get() {
        const values = definition.samples(source()).map(({ suffix, labels, value }) => {
          return { metricName: name + suffix, labels, value };
        });
        return { name, help: definition.help, type: definition.type, values, aggregator: "sum" };
      },
      /** Counts belong to the engine; nobody may set them back. */
      reset() {},
    };
    registry.registerMetric(metric as unknown as Metric);
  }
}

/** Cumulative buckets, sum and count of counts by slot, in units of `scale` of the slots' own. */
export function histogramSamples(
  counts: Float64Array | undefined,
  bounds: readonly number[],
  scale: number,
  labels: MetricLabels,
): Sample[] {
  if (counts === undefined) return [];
  const samples: Sample[] = [];
  let slot = 0;
  let count = 0;
  let sum = 0;
  for (const bound of [...bounds, Number.POSITIVE_INFINITY]) {
    for (; slot < SLOTS && middleOfSlot(slot) * scale <= bound; slot++) {
      const here = counts[slot]!;
      count += here;
      sum += here * middleOfSlot(slot) * scale;
    }
    samples.push({ suffix: "_bucket", labels: { ...labels, le: formatBound(bound) }, value: count });
  }
  samples.push({ suffix: "_sum", labels, value: sum }, { suffix: "_count", labels, value: count });
  return samples;
}

function formatBound(bound: number): string {
  return bound === Number.POSITIVE_INFINITY ? "+Inf" : String(bound);
}
