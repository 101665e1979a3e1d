export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How often an interval of `medianInterval` misses is one in a hundred: with so many deviations of a normal distribution. */
const DEVIATIONS = 2.58;

/**
 * Between which of the values their true median lies, 99 times of 100, whatever their distribution: by the signs of
 * their differences from it, of which half are expected to be negative. Few values: all the way from least to greatest.
 */
export function medianInterval(values: readonly number[]): readonly [low: number, high: number] {
  if (values.length === 0) return [Number.NaN, Number.NaN];
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.max(0, Math.floor((sorted.length - DEVIATIONS * Math.sqrt(sorted.length)) / 2));
  return [sorted[rank]!, sorted[sorted.length - 1 - rank]!];
}
