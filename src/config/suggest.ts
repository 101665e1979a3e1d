const SIMILAR_ENOUGH = 0.45;

/**
 * The candidate most like a mistyped name, or undefined. Likeness is the share of common letter pairs: unlike edit
 * distance it also finds `retry` for `maxRetrys` and `defaultTtlMs` for `ttlMs`. A dotted candidate is compared by
 * its last part.
 */
export function suggest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestLikeness = SIMILAR_ENOUGH;
  for (const candidate of candidates) {
    const likeness = likenessOf(name, candidate.slice(candidate.lastIndexOf(".") + 1));
    if (likeness > bestLikeness) {
      best = candidate;
      bestLikeness = likeness;
    }
  }
  return best;
}

function likenessOf(left: string, right: string): number {
  const pairs = letterPairs(left);
  const rest = letterPairs(right);
  const total = pairs.length + rest.length;
  let common = 0;
  for (const pair of pairs) {
    const at = rest.indexOf(pair);
    if (at < 0) continue;
    rest.splice(at, 1);
    common++;
  }
  return (2 * common) / total;
}

function letterPairs(name: string): string[] {
  // Names beyond any option's length are cut: the comparison is quadratic.
  const text = `^${name.slice(0, 64).toLowerCase()}$`;
  return Array.from({ length: text.length - 1 }, (_, at) => text.slice(at, at + 2));
}
