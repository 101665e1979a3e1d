import { expectation, shown } from "./description.js";
import { type Content, type Entry, type ViolationKind, writes } from "./entry.js";
import { countOf } from "./key-effects.js";
import type { PossibleStates } from "./possible-states.js";

export interface Found {
  readonly kind: ViolationKind;
  readonly call: number;
  readonly detail: string;
}

/** What is wrong with an answer, and the state it speaks for; undefined: none in particular. */
export interface Explanation {
  readonly found: Found | undefined;
  readonly seen: Content | undefined;
}

/** Names what is wrong with the result of an acknowledged call that no possible state gives. */
export function blameForResult(entries: readonly Entry[], index: number, states: PossibleStates): Explanation {
  const entry = entries[index]!;
  const subject = `${entry.operation} gave ${shown(entry.result)}`;
  const of = (seen: Content): Found => blameFor(entries, index, states, seen, subject);
  const executions = (): Found => blameExecutions(entries, index, states, subject);
  const presence = (): Found => blamePresence(entries, index, states, subject);
  switch (entry.operation) {
    case "get": {
      const seen = entry.result as Content;
      return { found: of(seen), seen };
    }
    case "getAndDelete": {
      const seen = entry.result as Content;
      // Absent, though something had to be there: the first of two executions took it.
      return { found: seen === null ? executions() : of(seen), seen: null };
    }
    case "increment": {
      const seen = String((entry.result as bigint) - BigInt(entry.value!));
      return { found: of(seen), seen };
    }
    case "delete":
      return { found: entry.result === true ? presence() : executions(), seen: null };
    case "contains":
    case "expire":
      return entry.result === true ? { found: presence(), seen: undefined } : { found: of(null), seen: null };
    case "ttl":
      return entry.result === null ? { found: of(null), seen: null } : { found: presence(), seen: undefined };
    case "setIfNotExists":
    case "compareAndSwap": {
      const expected = entry.expected ?? null;
      // It did not find what it had to find: its own first execution had changed it.
      if (entry.result !== true) return { found: executions(), seen: entry.expected ?? entry.value };
      return { found: of(expected), seen: expected };
    }
    case "put":
      return { found: undefined, seen: undefined };
  }
}

/** Blames what was seen on the call that explains it best. */
export function blameFor(
  entries: readonly Entry[],
  index: number,
  states: PossibleStates,
  seen: Content,
  subject: string,
): Found {
  const detail = `${subject} holds ${shown(seen)}, ${expectation(states)}`;
  const earlier = entries.slice(0, index);
  const count = countOf(seen);
  const counts = [...states.contents].map((content) => countOf(content ?? "0"));
  const isCounter = entries.slice(0, index + 1).some((entry) => entry.operation === "increment");
  if (isCounter && (count !== undefined || seen === null) && !counts.includes(undefined)) {
    return { kind: countKind(count ?? 0n, counts as bigint[], earlier), call: index, detail };
  }
  if (seen === null) {
    const last = earlier.findLast(writes);
    const removes = last !== undefined && last.call.outcome === "not-applied" && mayRemove(last);
    return { kind: removes ? "wrong-not-applied" : "lost-ack", call: index, detail };
  }
  const writer = earlier.findLast((entry) => entry.value === seen && writes(entry));
  if (writer === undefined) return { kind: "wrong-read", call: index, detail };
  const kind = writer.call.outcome === "not-applied" ? "wrong-not-applied" : "stale-overwrite";
  return { kind, call: index, detail };
}

/** The condition did not hold: changed by the call's own first execution, or by a write that was said not to be. */
function blameExecutions(entries: readonly Entry[], index: number, states: PossibleStates, subject: string): Found {
  const last = entries.slice(0, index).findLast(writes);
  const kind = last?.call.outcome === "not-applied" ? "wrong-not-applied" : "duplicate";
  return { kind, call: index, detail: `${subject}, ${expectation(states)}` };
}

function blamePresence(entries: readonly Entry[], index: number, states: PossibleStates, subject: string): Found {
  const isRefused = entries.slice(0, index).some((entry) => entry.call.outcome === "not-applied" && writes(entry));
  const kind = isRefused ? "wrong-not-applied" : "stale-overwrite";
  return { kind, call: index, detail: `${subject}, ${expectation(states)}` };
}

function countKind(seen: bigint, possible: readonly bigint[], earlier: readonly Entry[]): ViolationKind {
  const highest = possible.reduce((a, b) => (a > b ? a : b));
  if (seen < highest) return "lost-ack";
  // Refused increments that took effect explain a surplus up to their sum; anything beyond was applied twice.
  let refused = 0n;
  for (const entry of earlier) {
    if (entry.operation === "increment" && entry.call.outcome === "not-applied") refused += BigInt(entry.value!);
  }
  return seen - highest <= refused ? "wrong-not-applied" : "duplicate";
}

function mayRemove(entry: Entry): boolean {
  const { operation, value, ttlMs } = entry;
  return operation === "delete" || operation === "getAndDelete" || value === null || ttlMs !== null;
}
