import type { Content, Entry, ViolationKind } from "./entry.js";

export interface Found {
  readonly kind: ViolationKind;
  readonly call: number;
  readonly detail: string;
}

interface Effect {
  readonly next: Content;
  readonly result: Entry["result"];
}

/**
 * Replays the calls on one key, in the order in which they were called, and keeps every state the store may be in:
 * an acknowledged call must have taken effect and given its result in one of them, one that was not applied changes
 * nothing, one of unknown outcome may or may not have taken effect in its place. Because operations on a key are
 * promised to take effect in the order of their calls, no other order needs to be tried.
 */
export class KeyModel {
  readonly #entries: readonly Entry[];
  readonly found: Found[] = [];
  #states: Set<Content>;

  constructor(entries: readonly Entry[], initial: Content) {
    this.#entries = entries;
    this.#states = new Set([initial]);
    for (const [index, entry] of entries.entries()) this.#replay(index, entry);
  }

  /** What the store holds now, read past the engine. */
  settleWith(stored: Content): void {
    if (!this.#states.has(stored)) this.#blame(this.#entries.length, stored, "the store");
    this.#states = new Set([stored]);
  }

  #replay(index: number, entry: Entry): void {
    if (entry.outcome === "not-applied") return;
    if (entry.outcome === "ok") this.#acknowledge(index, entry);
    else if (writes(entry)) for (const state of [...this.#states]) this.#states.add(effectOf(entry, state).next);
  }

  #acknowledge(index: number, entry: Entry): void {
    const next = new Set<Content>();
    for (const state of this.#states) {
      const effect = effectOf(entry, state);
      if (effect.result === entry.result) next.add(effect.next);
    }
    if (next.size > 0) {
      this.#states = next;
      return;
    }
    const seen = this.#explain(index, entry);
    if (seen !== undefined) this.#states = new Set([effectOf(entry, seen).next]);
    else if (entry.operation !== "contains") this.#states = new Set([null]);
  }

  /** Names what is wrong with a result that no possible state gives, and the state it speaks for. */
  #explain(index: number, entry: Entry): Content | undefined {
    const subject = `${entry.operation} gave ${shown(entry.result)}`;
    switch (entry.operation) {
      case "get":
        this.#blame(index, entry.result as Content, subject);
        return entry.result as Content;
      case "getAndDelete":
        // Absent, though something had to be there: the first of two executions took it.
        if (entry.result === null) return this.#blameExecutions(index, subject);
        this.#blame(index, entry.result as Content, subject);
        return entry.result as Content;
      case "increment": {
        const seen = String((entry.result as bigint) - BigInt(entry.value!));
        this.#blame(index, seen, subject);
        return seen;
      }
      case "delete":
      case "contains":
        if (entry.result === true) this.#blamePresence(index, subject);
        else if (entry.operation === "delete") this.#blameExecutions(index, subject);
        else this.#blame(index, null, subject);
        return undefined;
      case "setIfNotExists":
      case "compareAndSwap": {
        if (entry.result === true) this.#blame(index, entry.expected ?? null, subject);
        // It did not find what it had to find: its own first execution had changed it.
        else this.#blameExecutions(index, subject);
        return entry.operation === "setIfNotExists" && entry.result === true ? null : (entry.expected ?? entry.value);
      }
      case "put":
        return undefined;
    }
  }

  /** The condition did not hold: changed by the call's own first execution, or by a write that was said not to be. */
  #blameExecutions(index: number, subject: string): undefined {
    const last = this.#entries.slice(0, index).findLast((entry) => writes(entry));
    const kind = last?.outcome === "not-applied" ? "wrong-not-applied" : "duplicate";
    this.#report(kind, index, `${subject}, ${this.#expectation()}`);
  }

  #blamePresence(index: number, subject: string): void {
    const refused = this.#entries.slice(0, index).some((entry) => entry.outcome === "not-applied" && writes(entry));
    this.#report(refused ? "wrong-not-applied" : "stale-overwrite", index, `${subject}, ${this.#expectation()}`);
  }

  /** Blames what was seen on the call that explains it best. */
  #blame(index: number, seen: Content, subject: string): void {
    const where = `${subject} holds ${shown(seen)}, ${this.#expectation()}`;
    const earlier = this.#entries.slice(0, index);
    const count = countOf(seen);
    const counts = [...this.#states].map((state) => countOf(state ?? "0"));
    const counted = this.#entries.slice(0, index + 1).some((entry) => entry.operation === "increment");
    if (counted && (count !== undefined || seen === null) && !counts.includes(undefined)) {
      this.#blameCount(index, count ?? 0n, counts as bigint[], where, earlier);
      return;
    }
    if (seen === null) {
      const last = earlier.findLast((entry) => writes(entry));
      const deletes = last !== undefined && last.outcome === "not-applied" && nextIsAbsent(last);
      this.#report(deletes ? "wrong-not-applied" : "lost-ack", index, where);
      return;
    }
    const writer = earlier.findLast((entry) => entry.value === seen && writes(entry));
    if (writer === undefined) this.#report("wrong-read", index, where);
    else if (writer.outcome === "not-applied") this.#report("wrong-not-applied", index, where);
    else this.#report("stale-overwrite", index, where);
  }

  #blameCount(index: number, seen: bigint, possible: bigint[], where: string, earlier: readonly Entry[]): void {
    const highest = possible.reduce((a, b) => (a > b ? a : b));
    if (seen < highest) {
      this.#report("lost-ack", index, where);
      return;
    }
    // Refused increments that took effect explain a surplus up to their sum; anything beyond was applied twice.
    let refused = 0n;
    for (const entry of earlier) {
      if (entry.operation === "increment" && entry.outcome === "not-applied") refused += BigInt(entry.value!);
    }
    this.#report(seen - highest <= refused ? "wrong-not-applied" : "duplicate", index, where);
  }

  #report(kind: ViolationKind, call: number, detail: string): undefined {
    this.found.push({ kind, call, detail });
  }

  #expectation(): string {
    const states = [...this.#states].slice(0, 4).map(shown);
    return `possible: ${states.join(", ")}${this.#states.size > 4 ? `, … (${this.#states.size})` : ""}`;
  }
}

export function writes(entry: Entry): boolean {
  return entry.operation !== "get" && entry.operation !== "contains";
}

function nextIsAbsent(entry: Entry): boolean {
  return entry.operation === "delete" || entry.operation === "getAndDelete" || entry.value === null;
}

function effectOf(entry: Entry, state: Content): Effect {
  switch (entry.operation) {
    case "get":
      return { next: state, result: state };
    case "contains":
      return { next: state, result: state !== null };
    case "put":
      return { next: entry.value!, result: undefined };
    case "delete":
      return { next: null, result: state !== null };
    case "getAndDelete":
      return { next: null, result: state };
    case "setIfNotExists":
      return state === null ? { next: entry.value!, result: true } : { next: state, result: false };
    case "compareAndSwap":
      return state === entry.expected ? { next: entry.value!, result: true } : { next: state, result: false };
    case "increment": {
      const before = countOf(state ?? "0");
      if (before === undefined) return { next: state, result: undefined };
      const sum = before + BigInt(entry.value!);
      return { next: String(sum), result: sum };
    }
  }
}

function countOf(state: Content): bigint | undefined {
  return state !== null && /^-?\d{1,19}$/.test(state) ? BigInt(state) : undefined;
}

export function shown(value: Entry["result"]): string {
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > 48 ? `${value.slice(0, 47)}…` : value);
}
