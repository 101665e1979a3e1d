/** How far one clock is ahead of another, in ms; negative: behind. It is certain to lie between these. */
export interface ClockDistance {
  readonly leastMs: number;
  readonly mostMs: number;
}

/** What clocks may gain on each other, or be set by, until they are asked again. */
const MARGIN_MS = 1000;

/**
 * How far a server's clock is ahead of this process's monotonic one: it was read somewhere between the question and its
 * answer.
 */
export function clockDistance(serverMs: number, askedAtMs: number, answeredAtMs: number): ClockDistance {
  return { leastMs: serverMs - answeredAtMs, mostMs: serverMs - askedAtMs };
}

/** How far the first server's clock is ahead of the second's, of those distances, now. */
export function between(first: ClockDistance, second: ClockDistance): ClockDistance {
  return {
    leastMs: first.leastMs - second.mostMs - MARGIN_MS,
    mostMs: first.mostMs - second.leastMs + MARGIN_MS,
  };
}

/** @param now a time as an expression */
export function millisecondsOf(now: string): string {
  return `(extract(epoch FROM ${now}) * 1000)::float8`;
}
