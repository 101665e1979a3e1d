import type { Content, Entry } from "./entry.js";
import { FOR_EVER, type Lifetime } from "./possible-states.js";

export interface Effect {
  readonly content: Content;
  readonly lifetime: Lifetime;
  /** What the operation answers then. Of `ttl` undefined: no single number. */
  readonly result: Entry["result"];
}

/** What an operation makes of a state, and answers. `slackMs`: how far the store's clock may be from ours. */
export function effectOf(entry: Entry, content: Content, lifetime: Lifetime, slackMs: number): Effect {
  const unchanged = { content, lifetime };
  const present = content !== null;
  switch (entry.operation) {
    case "get":
      return { ...unchanged, result: content };
    case "contains":
      return { ...unchanged, result: present };
    case "ttl":
      return { ...unchanged, result: present ? undefined : null };
    case "put":
      return { content: entry.value!, lifetime: givenLifetime(entry, slackMs), result: undefined };
    case "delete":
      return { content: null, lifetime: FOR_EVER, result: present };
    case "expire":
      return present
        ? { content, lifetime: givenLifetime(entry, slackMs), result: true }
        : { ...unchanged, result: false };
    case "getAndDelete":
      return { content: null, lifetime: FOR_EVER, result: content };
    case "setIfNotExists":
      return present
        ? { ...unchanged, result: false }
        : { content: entry.value!, lifetime: givenLifetime(entry, slackMs), result: true };
    case "compareAndSwap":
      return content === entry.expected
        ? { content: entry.value!, lifetime: givenLifetime(entry, slackMs), result: true }
        : { ...unchanged, result: false };
    case "increment": {
      const before = countOf(content ?? "0");
      if (before === undefined) return { ...unchanged, result: undefined };
      const sum = before + BigInt(entry.value!);
      return { content: String(sum), lifetime: present ? lifetime : FOR_EVER, result: sum };
    }
  }
}

/** The state after an operation that answered as the entry says; undefined: it would have answered otherwise. */
export function acknowledged(entry: Entry, content: Content, lifetime: Lifetime, slackMs: number): Effect | undefined {
  const effect = effectOf(entry, content, lifetime, slackMs);
  if (saysNothing(entry)) return effect;
  if (entry.operation !== "ttl" || content === null || entry.result === null) {
    return effect.result === entry.result ? effect : undefined;
  }
  const left = entry.result as number;
  if (left === Number.POSITIVE_INFINITY) return lifetime.never ? { ...effect, lifetime: FOR_EVER } : undefined;
  const { calledMs, settledMs } = entry.call;
  const fromMs = Math.max(lifetime.fromMs, calledMs + left - slackMs);
  const untilMs = Math.min(lifetime.untilMs, settledMs! + left + slackMs);
  return fromMs <= untilMs ? { ...effect, lifetime: { never: false, fromMs, untilMs } } : undefined;
}

/** A call on many keys succeeded without saying what it found under this one. */
function saysNothing(entry: Entry): boolean {
  return entry.result === undefined && (entry.operation === "delete" || entry.operation === "expire");
}

/** Counted by the store from the moment it executes the operation, which lies between the call and its answer. */
function givenLifetime(entry: Entry, slackMs: number): Lifetime {
  if (entry.ttlMs === null) return FOR_EVER;
  const { calledMs, settledMs, outcome } = entry.call;
  const executedUntilMs = outcome === "ok" ? settledMs! : Number.POSITIVE_INFINITY;
  return {
    never: false,
    fromMs: calledMs + entry.ttlMs - slackMs,
    untilMs: executedUntilMs + entry.ttlMs + slackMs,
  };
}

export function countOf(content: Content): bigint | undefined {
  return content !== null && /^-?\d{1,19}$/.test(content) ? BigInt(content) : undefined;
}
