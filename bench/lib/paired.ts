import { median, medianInterval } from "./median.js";

/** What of a subject was measured round by round. */
export interface Rounds {
  readonly rounds: readonly number[];
}

/** Throughput of one beside another, round by round, so that a drift of the machine falls on both. */
export function pairedRatio(one: Rounds, other: Rounds): number {
  return median(ratiosOf(one, other));
}

/** Where the true ratio lies, as far as these rounds tell. */
export function pairedInterval(one: Rounds, other: Rounds): readonly [low: number, high: number] {
  return medianInterval(ratiosOf(one, other));
}

/** Rounds that only one of them had come last. */
function ratiosOf(one: Rounds, other: Rounds): number[] {
  const common = Math.min(one.rounds.length, other.rounds.length);
  return Array.from({ length: common }, (_, round) => one.rounds[round]! / other.rounds[round]!);
}
