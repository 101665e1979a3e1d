import { LASTING } from "./known-lifetimes.js";

/** Loads that give lifetimes of an hour every quarter of a minute fit. */
const MAX_SPANS = 256;
/** No read is under way for longer. */
const LONGEST_READ_MS = 600_000;

/** From when to when entries of loads may end, in whole milliseconds. */
interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * When entries end that came to be by loads, of whose keys there may be more than anybody could remember. So this holds
 * for every key: what is read before such a time is kept until then, and nothing that is read within it is.
 */
export class LoadedLifetimes {
  /** One after the other, with time between them. */
  #spans: Span[] = [];

  add(earliestMs: number, latestMs: number, nowMs: number): void {
    let fromMs = Math.floor(earliestMs);
    let toMs = Math.ceil(latestMs);
    const apart: Span[] = [];
    for (const span of this.#spans) {
      if (span.toMs + LONGEST_READ_MS < nowMs) continue;
      if (span.toMs < fromMs || span.fromMs > toMs) {
        apart.push(span);
      } else {
        fromMs = Math.min(fromMs, span.fromMs);
        toMs = Math.max(toMs, span.toMs);
      }
    }
    const after = apart.findIndex((span) => span.fromMs > toMs);
    apart.splice(after === -1 ? apart.length : after, 0, { fromMs, toMs });
    if (apart.length > MAX_SPANS) joinClosest(apart);
    this.#spans = apart;
  }

  /**
   * Until when what a store held when it was asked then, or later, may be kept; a time that is past: not at all;
   * `LASTING`: no load says anything of it.
   */
  keepUntilMs(readAtMs: number): number {
    for (const { fromMs, toMs } of this.#spans) if (readAtMs < toMs) return fromMs;
    return LASTING;
  }
}

/** Makes one of the two with the least time between them. */
function joinClosest(spans: Span[]): void {
  let closest = 1;
  for (let at = 2; at < spans.length; at++) {
    if (gapBefore(spans, at) < gapBefore(spans, closest)) closest = at;
  }
  const { fromMs } = spans[closest - 1]!;
  const { toMs } = spans[closest]!;
  spans.splice(closest - 1, 2, { fromMs, toMs });
}

function gapBefore(spans: readonly Span[], at: number): number {
  return spans[at]!.fromMs - spans[at - 1]!.toMs;
}
