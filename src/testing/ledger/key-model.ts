import { blameFor, blameForResult, type Found } from "./blame.js";
import { expectation, shown } from "./description.js";
import type { Content, Entry, LedgerCall } from "./entry.js";
import { writes } from "./entry.js";
import { acknowledged, effectOf } from "./key-effects.js";
import { ANY_LIFETIME, FOR_EVER, mayEnd, PossibleStates } from "./possible-states.js";

/** What the store holds under a key, and for how much longer, read between two times. */
export interface Stored {
  readonly content: Content;
  /** undefined: not known; Infinity: for ever. */
  readonly ttlMs: number | undefined;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface KeyModelOptions {
  /** How far the store's clock may be from ours. */
  readonly slackMs: number;
  /** Calls of unknown outcome of which it is known, or assumed, whether they took effect. */
  readonly assumed?: ReadonlyMap<LedgerCall, boolean>;
  /** Told whether the key must, and whether it may, have existed when a call that counts removed it. */
  readonly onCounted?: (call: LedgerCall, must: boolean, may: boolean) => void;
}

/**
 * Replays the calls on one key, in the order in which they were called, and keeps every state the store may be in:
 * an acknowledged call must have taken effect and given its result in one of them, one that was not applied changes
 * nothing, one of unknown outcome may or may not have taken effect in its place. Because operations on a key are
 * promised to take effect in the order of their calls, no other order needs to be tried. An operation is executed at
 * some moment between its call and its answer, so a value whose lifetime ends about then may be there or not.
 */
export class KeyModel {
  readonly #entries: readonly Entry[];
  readonly #options: KeyModelOptions;
  readonly found: Found[] = [];
  #states = PossibleStates.of(null);

  constructor(entries: readonly Entry[], options: KeyModelOptions) {
    this.#entries = entries;
    this.#options = options;
    for (const [index, entry] of entries.entries()) this.#replay(index, entry);
  }

  /** What the store holds now, read past the engine. */
  settleWith(stored: Stored): void {
    const { content, ttlMs, fromMs, untilMs } = stored;
    const { slackMs } = this.#options;
    const before = this.#states;
    this.#states = before.between(fromMs, untilMs);
    const index = this.#entries.length;
    const lifetime = this.#states.lifetimeOf(content);
    if (lifetime === undefined) {
      const isLifetime = before.has(content) || (content === null && before.mayEnd);
      if (isLifetime) this.#report("wrong-lifetime", index, `the store holds ${shown(content)}`);
      else this.found.push(blameFor(this.#entries, index, this.#states, content, "the store"));
    } else if (content !== null && ttlMs !== undefined) {
      const fits =
        ttlMs === Number.POSITIVE_INFINITY
          ? lifetime.never
          : mayEnd(lifetime) &&
            fromMs + ttlMs - slackMs <= lifetime.untilMs &&
            untilMs + ttlMs + slackMs >= lifetime.fromMs;
      if (!fits) this.#report("wrong-lifetime", index, `the store holds ${shown(content)} for ${ttlMs} ms more`);
    }
    this.#states = PossibleStates.of(content, ANY_LIFETIME);
  }

  #replay(index: number, entry: Entry): void {
    const { outcome, calledMs, settledMs } = entry.call;
    if (outcome === "not-applied") return;
    if (outcome === "ok") {
      const before = this.#states;
      this.#states = before.between(calledMs, settledMs!);
      this.#acknowledge(index, entry, before);
    } else if (writes(entry)) {
      this.#admit(entry);
    }
  }

  /** An operation of unknown outcome: it may have taken effect at any time since its call. */
  #admit(entry: Entry): void {
    const applied = this.#options.assumed?.get(entry.call);
    if (applied === false) return;
    const states = this.#states.between(entry.call.calledMs, Number.POSITIVE_INFINITY);
    const next = new PossibleStates();
    for (const [content, lifetime] of states) {
      const effect = effectOf(entry, content, lifetime, this.#options.slackMs);
      next.add(effect.content, effect.lifetime);
      if (applied !== true) next.add(content, lifetime);
    }
    this.#states = next;
  }

  #acknowledge(index: number, entry: Entry, before: PossibleStates): void {
    const next = new PossibleStates();
    let must = true;
    let may = false;
    for (const [content, lifetime] of this.#states) {
      if (content === null) must = false;
      else may = true;
      const effect = acknowledged(entry, content, lifetime, this.#options.slackMs);
      if (effect !== undefined) next.add(effect.content, effect.lifetime);
    }
    this.#options.onCounted?.(entry.call, must, may);
    if (next.size > 0) {
      this.#states = next;
      return;
    }
    const forgiven = this.#withoutLifetimes(entry, before);
    if (forgiven !== undefined) {
      this.#report("wrong-lifetime", index, `${entry.operation} gave ${shown(entry.result)}`);
      this.#states = forgiven;
      return;
    }
    const { found, seen } = blameForResult(this.#entries, index, this.#states);
    if (found !== undefined) this.found.push(found);
    if (seen === undefined) return;
    const effect = effectOf(entry, seen, FOR_EVER, this.#options.slackMs);
    this.#states = PossibleStates.of(effect.content, effect.content === seen ? ANY_LIFETIME : effect.lifetime);
  }

  /** The states that would explain the answer if no lifetime ended, or had ended, or were another one. */
  #withoutLifetimes(entry: Entry, before: PossibleStates): PossibleStates | undefined {
    const next = new PossibleStates();
    const contents = new Set(before.contents);
    if (before.mayEnd) contents.add(null);
    for (const content of contents) {
      const effect = acknowledged(entry, content, ANY_LIFETIME, this.#options.slackMs);
      if (effect !== undefined) next.add(effect.content, effect.lifetime);
    }
    return next.size === 0 ? undefined : next;
  }

  #report(kind: Found["kind"], call: number, subject: string): void {
    this.found.push({ kind, call, detail: `${subject}, ${expectation(this.#states)}` });
  }
}
