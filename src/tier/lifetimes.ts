import { Kind, type Request, type TransactionStep } from "../backends/request.js";
import type { EventLoop } from "../core/event-loop.js";
import type { CanonicalKey } from "../core/key.js";
import { KnownLifetimes, LASTING } from "./known-lifetimes.js";
import { LoadedLifetimes } from "./loaded-lifetimes.js";

/**
 * What requests and their answers say of the times when entries end. A store counts a lifetime from some time between the
 * call and the answer, so each has a first possible end and a last.
 */
export class Lifetimes {
  readonly #loop: EventLoop;
  readonly #known: KnownLifetimes;
  readonly #loaded = new LoadedLifetimes();

  /** @param maxBytes for what is remembered of keys */
  constructor(maxBytes: number, loop: EventLoop) {
    this.#loop = loop;
    this.#known = new KnownLifetimes(maxBytes);
  }

  /** A write of one key, or a transaction. */
  called(write: Request): void {
    if (write.kind !== Kind.transaction) {
      this.#called(write, write.key, write.ttlMs);
      return;
    }
    for (const step of stepsOf(write)) this.#called(write, step.key, lifetimeOf(step));
  }

  /** The store has done it. */
  done(write: Request): void {
    if (write.kind !== Kind.transaction) {
      this.#done(write, write.key, write.ttlMs);
      return;
    }
    const steps = stepsOf(write);
    const said = steps.length > 1 ? new Set<CanonicalKey>() : undefined;
    // Of several steps with one key the last says what becomes of it.
    for (let at = steps.length - 1; at >= 0; at--) {
      const step = steps[at]!;
      if (said?.has(step.key) === true) continue;
      said?.add(step.key);
      this.#done(write, step.key, lifetimeOf(step));
    }
  }

  /** It changed nothing. */
  withoutEffect(write: Request): void {
    this.#known.notDone(write, write.key, LASTING);
  }

  /** Nobody knows whether the store has done it, or will. */
  leftOpen(write: Request): void {
    if (write.kind !== Kind.transaction) {
      this.#leftOpen(write, write.key, write.ttlMs);
      return;
    }
    for (const step of stepsOf(write)) this.#leftOpen(write, step.key, lifetimeOf(step));
  }

  /** The store says that so much was left of a key's lifetime; returns its first possible end. */
  told(question: Request, leftMs: number): number {
    const nowMs = this.#loop.nowMs();
    const earliestMs = Math.floor(this.#calledAtMs(question, nowMs) + leftMs);
    this.#known.told(question.key, earliestMs, nowMs + leftMs);
    return earliestMs;
  }

  /** Another client has changed the key. */
  changed(key: CanonicalKey): void {
    this.#known.end(key, this.#loop.nowMs());
  }

  /**
   * A load has put entries of any keys that end after so long: counted from some time between now and the time, `tookMs`
   * ago, when the store had all of them.
   */
  loaded(ttlMs: number, tookMs: number): void {
    const nowMs = this.#loop.nowMs();
    this.#loaded.add(nowMs - tookMs + ttlMs, nowMs + ttlMs, nowMs);
  }

  /** Until when what was read then, or later, may be kept; a time that is past: not at all; `LASTING`: nothing is known. */
  keepUntilMs(key: CanonicalKey, isAbsent: boolean, readAtMs: number): number {
    const knownMs = this.#known.keepUntilMs(key, isAbsent, readAtMs);
    return isAbsent ? knownMs : Math.min(knownMs, this.#loaded.keepUntilMs(readAtMs));
  }

  /** In whole milliseconds, rounded down. */
  calledAtMs(request: Request): number {
    return Math.floor(this.#calledAtMs(request, this.#loop.nowMs()));
  }

  /** @param ttlMs 0: never expires */
  #called(write: Request, key: CanonicalKey, ttlMs: number): void {
    const nowMs = ttlMs > 0 ? this.#loop.nowMs() : 0;
    this.#known.called(write, key, ttlMs > 0 ? nowMs + ttlMs : LASTING, nowMs);
  }

  #done(write: Request, key: CanonicalKey, ttlMs: number): void {
    if (ttlMs === 0) {
      this.#known.done(write, key, LASTING, LASTING);
      return;
    }
    const nowMs = this.#loop.nowMs();
    this.#known.done(write, key, this.#calledAtMs(write, nowMs) + ttlMs, nowMs + ttlMs);
  }

  #leftOpen(write: Request, key: CanonicalKey, ttlMs: number): void {
    this.#known.notDone(write, key, ttlMs > 0 ? this.#loop.nowMs() + ttlMs : LASTING);
  }

  #calledAtMs(request: Request, nowMs: number): number {
    return nowMs - ((((nowMs * 1000) | 0) - request.startedAtUs) | 0) / 1000;
  }
}

function stepsOf(transaction: Request): readonly TransactionStep[] {
  return transaction.detail as readonly TransactionStep[];
}

function lifetimeOf(step: TransactionStep): number {
  return step.type === "delete" ? 0 : step.ttlMs;
}
