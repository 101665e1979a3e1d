import type { Content } from "./entry.js";

/**
 * When a value may end: never, or at some moment from `fromMs` to `untilMs`, or either. No such moment when `fromMs` is
 * above `untilMs`.
 */
export interface Lifetime {
  readonly never: boolean;
  readonly fromMs: number;
  readonly untilMs: number;
}

export const FOR_EVER: Lifetime = { never: true, fromMs: Number.POSITIVE_INFINITY, untilMs: Number.NEGATIVE_INFINITY };
export const ANY_LIFETIME: Lifetime = {
  never: true,
  fromMs: Number.NEGATIVE_INFINITY,
  untilMs: Number.POSITIVE_INFINITY,
};

export function mayEnd(lifetime: Lifetime): boolean {
  return lifetime.fromMs <= lifetime.untilMs;
}

/** Everything that a key may hold, each value with the lifetimes it may have. */
export class PossibleStates {
  readonly #lifetimes = new Map<Content, Lifetime>();

  static of(content: Content, lifetime: Lifetime = FOR_EVER): PossibleStates {
    const states = new PossibleStates();
    states.add(content, lifetime);
    return states;
  }

  get size(): number {
    return this.#lifetimes.size;
  }

  get contents(): Iterable<Content> {
    return this.#lifetimes.keys();
  }

  get mayEnd(): boolean {
    for (const lifetime of this.#lifetimes.values()) if (mayEnd(lifetime)) return true;
    return false;
  }

  has(content: Content): boolean {
    return this.#lifetimes.has(content);
  }

  lifetimeOf(content: Content): Lifetime | undefined {
    return this.#lifetimes.get(content);
  }

  /** Lifetimes of one value become the span of all of them, so that their number cannot grow. */
  add(content: Content, lifetime: Lifetime): void {
    const known = this.#lifetimes.get(content);
    const added = content === null ? FOR_EVER : lifetime;
    if (known === undefined || known === added) {
      this.#lifetimes.set(content, added);
      return;
    }
    this.#lifetimes.set(content, {
      never: known.never || added.never,
      fromMs: Math.min(known.fromMs, added.fromMs),
      untilMs: Math.max(known.untilMs, added.untilMs),
    });
  }

  [Symbol.iterator](): Iterator<[Content, Lifetime]> {
    return this.#lifetimes.entries();
  }

  /** What is there at some moment between two times: what must have ended has, what may have ended is there or not. */
  between(fromMs: number, untilMs: number): PossibleStates {
    if (!this.mayEnd) return this;
    const states = new PossibleStates();
    for (const [content, lifetime] of this) {
      if (!mayEnd(lifetime)) {
        states.add(content, lifetime);
        continue;
      }
      if (untilMs >= lifetime.fromMs) states.add(null, FOR_EVER);
      if (fromMs <= lifetime.untilMs) states.add(content, lifetime);
      else if (lifetime.never) states.add(content, FOR_EVER);
    }
    return states;
  }
}
