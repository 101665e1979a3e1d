/** How far one clock is ahead of another, in ms; negative: behind. It is certain to lie between these. */
export interface ClockDistance {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** What a clock gains or loses on another at most, as a share of the time: computers' oscillators stay below a tenth of it. */
const MOST_DRIFT = 0.001;

/**
 * How far a server's clock is ahead of this process's monotonic one: it was read somewhere between the question and its
 * answer.
 */
export function clockDistance(serverMs: number, askedAtMs: number, answeredAtMs: number): ClockDistance {
  return { leastMs: serverMs - answeredAtMs, mostMs: serverMs - askedAtMs };
}

/**
 * How far the first server's clock is ahead of the second's, of those distances, now.
 * @param marginMs what they may gain on each other, or be set by, until they are asked again
 */
export function between(first: ClockDistance, second: ClockDistance, marginMs: number): ClockDistance {
  return {
    leastMs: first.leastMs - second.mostMs - marginMs,
    mostMs: first.mostMs - second.leastMs + marginMs,
  };
}

/** What two measurements of a distance say together, the second so much later; of one that was set meanwhile the second. */
export function narrowed(earlier: ClockDistance, later: ClockDistance, elapsedMs: number): ClockDistance {
  const driftMs = elapsedMs * MOST_DRIFT;
  const leastMs = Math.max(earlier.leastMs - driftMs, later.leastMs);
  const mostMs = Math.min(earlier.mostMs + driftMs, later.mostMs);
  return leastMs <= mostMs ? { leastMs, mostMs } : later;
}
