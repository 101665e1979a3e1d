import type { Random } from "./rng.js";

/**
 * Ranks 0..items-1 with probability proportional to 1 / (rank + 1)^exponent. Draws from the exact cumulative
 * distribution: loads here have at most some 100,000 items, so a table is affordable and nothing is approximated.
 */
export function zipfGenerator(random: Random, items: number, exponent: number): () => number {
  const cumulative = new Float64Array(items);
  let sum = 0;
  for (let rank = 0; rank < items; rank++) {
    sum += 1 / (rank + 1) ** exponent;
    cumulative[rank] = sum;
  }
  return () => {
    const target = random() * sum;
    let low = 0;
    let high = items - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! > target) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
