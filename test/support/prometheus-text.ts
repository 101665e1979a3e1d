/** One metric of the text format, with its samples in the order in which they stand. */
export interface ParsedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: ParsedSample[];
}

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ["_bucket", "_sum", "_count"],
  counter: [""],
  gauge: [""],
};

/**
 * Parses the Prometheus text format 0.0.4 and refuses what a scrape would, or what would be wrong about it: unknown
 * types, samples outside their metric, the same series twice, counters below zero, buckets that do not add up.
 */
export function parsePrometheusText(text: string): Map<string, ParsedMetric> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const metrics = new Map<string, ParsedMetric>();
  const series = new Set<string>();
  let current: ParsedMetric | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, keyword, name, rest] = comment as unknown as [string, string, string, string];
      if (!NAME.test(name)) throw new Error(`no name of a metric: ${line}`);
      if (keyword === "HELP") {
        help = { name, text: rest };
        continue;
      }
      if (help?.name !== name) throw new Error(`a type without help: ${line}`);
      if (metrics.has(name)) throw new Error(`twice: ${name}`);
      if (SUFFIXES[rest] === undefined) throw new Error(`unknown type: ${line}`);
      current = { name, help: help.text, type: rest, samples: [] };
      metrics.set(name, current);
      continue;
    }
    if (current === undefined) throw new Error(`a sample before any metric: ${line}`);
    const sample = parseSample(line);
    if (!SUFFIXES[current.type]!.some((suffix) => sample.name === current!.name + suffix)) {
      throw new Error(`a sample that does not belong to ${current.name}: ${line}`);
    }
    const mark = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (series.has(mark)) throw new Error(`the same series twice: ${line}`);
    series.add(mark);
    if (current.type !== "gauge" && !(sample.value >= 0)) throw new Error(`below zero: ${line}`);
    current.samples.push(sample);
  }
  for (const metric of metrics.values()) if (metric.type === "histogram") checkHistogram(metric);
  return metrics;
}

function parseSample(line: string): ParsedSample {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const [, name, labelText = "", valueText] = match as unknown as [string, string, string | undefined, string];
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < labelText.length) {
    const label = LABEL.exec(labelText);
    if (label === null) throw new Error(`no labels: ${line}`);
    if (labels[label[1]!] !== undefined) throw new Error(`the same label twice: ${line}`);
    labels[label[1]!] = label[2]!.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return { name, labels, value: parseValue(valueText, line) };
}

function parseValue(text: string, line: string): number {
  const infinities: Record<string, number> = { "+Inf": Infinity, Inf: Infinity, "-Inf": -Infinity };
  const value = infinities[text] ?? Number(text);
  if (Number.isNaN(value)) throw new Error(`not a number: ${line}`);
  return value;
}

function checkHistogram({ name, samples }: ParsedMetric): void {
  const groups = new Map<string, ParsedSample[]>();
  for (const sample of samples) {
    const { le: _, ...others } = sample.labels;
    const key = JSON.stringify(Object.entries(others).sort());
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [labels, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le } }) => parseValue(le ?? "", `${name} ${labels}`));
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    if (bounds.at(-1) !== Infinity) throw new Error(`${name} ${labels}: the last bucket is not +Inf`);
    for (let i = 1; i < buckets.length; i++) {
      if (!(bounds[i]! > bounds[i - 1]!)) throw new Error(`${name} ${labels}: buckets out of order`);
      if (!(buckets[i]!.value >= buckets[i - 1]!.value)) throw new Error(`${name} ${labels}: buckets that sink`);
    }
    if (buckets.at(-1)!.value !== count) throw new Error(`${name} ${labels}: count and +Inf differ`);
    if (!group.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name} ${labels}: no sum`);
  }
}
