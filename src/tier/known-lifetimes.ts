import type { Request } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";
import { ownKey } from "../core/own-key.js";

/** A key, its note and their place in a map. */
const NOTE_BYTES = 160;
/**
 * How much later than it was given up a write can take effect: long enough for a server that was frozen, short enough for
 * a key that another process has made lasting, where the store tells of no changes.
 */
const LATEST_EFFECT_MS = 10_000;

/** For a lifetime: the key never expires. */
export const LASTING = Number.POSITIVE_INFINITY;

/**
 * What a key may have been given. While it is open which write took effect, it has one of several lifetimes; and of each
 * it is open when the store began to count it, between the call and its end.
 */
interface Note {
  readonly key: CanonicalKey;
  /** The first end and the last that are possible, in whole milliseconds. */
  earliestMs: number;
  latestMs: number;
  /** The write called last, until it is settled. */
  writer: Request | undefined;
}

/**
 * Until when keys live that this process gave a lifetime, or was told of one. A write that is called can only make what
 * is known shorter: until the store has done it, and if it never says so, the lifetime before may hold as well.
 *
 * Two generations of notes, of which the older is dropped when the younger is full: what is forgotten, or never known,
 * leaves only the tier's own time.
 */
export class KnownLifetimes {
  readonly #maxBytes: number;
  #young = new Map<CanonicalKey, Note>();
  #old = new Map<CanonicalKey, Note>();
  #youngBytes = 0;

  /** @param maxBytes of both generations together */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * A write was called after which the key would live until then, or for ever (`LASTING`).
   * @param nowMs matters to the former only
   */
  called(writer: Request, key: CanonicalKey, expiresAtMs: number, nowMs: number): void {
    const known = this.#renewed(key);
    if (known === undefined) {
      if (expiresAtMs !== LASTING) this.#add(key, Math.floor(expiresAtMs), writer);
      return;
    }
    if (expiresAtMs !== LASTING && known.writer === undefined && nowMs - known.latestMs > LATEST_EFFECT_MS) {
      known.earliestMs = Math.floor(expiresAtMs);
      known.latestMs = known.earliestMs;
    } else {
      widen(known, expiresAtMs);
    }
    known.writer = writer;
  }

  /**
   * The store has done this write; one called after it says more, if it is done.
   * @param earliestMs where the store counted from the call; `LASTING`: for ever
   * @param latestMs where it counted from now
   */
  done(writer: Request, key: CanonicalKey, earliestMs: number, latestMs: number): void {
    const known = this.#find(key);
    if (known === undefined) return;
    if (known.writer !== writer) {
      widen(known, latestMs);
    } else if (earliestMs === LASTING) {
      this.#forget(key);
    } else {
      known.earliestMs = Math.floor(earliestMs);
      known.latestMs = Math.ceil(latestMs);
      known.writer = undefined;
    }
  }

  /**
   * This write has changed nothing, or nobody knows what it did.
   * @param latestMs when its lifetime ends if the store counts from now; `LASTING`: it gave none
   */
  notDone(writer: Request, key: CanonicalKey, latestMs: number): void {
    const known = this.#find(key);
    if (known === undefined) return;
    widen(known, latestMs);
    if (known.writer === writer) known.writer = undefined;
  }

  /** The store said so, of some time between the two; a write called since may say something else. */
  told(key: CanonicalKey, earliestMs: number, latestMs: number): void {
    let known = this.#renewed(key);
    if (known === undefined) known = this.#add(key, Math.floor(earliestMs), undefined);
    else widen(known, earliestMs);
    widen(known, latestMs);
  }

  /** The key is known to be gone, or written anew by another: lifetimes that are past say nothing of what comes. */
  end(key: CanonicalKey, nowMs: number): void {
    const known = this.#find(key);
    if (known !== undefined && known.writer === undefined && known.latestMs <= nowMs) this.#forget(key);
  }

  /**
   * Until when what the store held when it was asked then, or later, may be kept; `LASTING`: nothing is known. A time
   * that is past, or now: not at all, because the store, which began to count later than this process did, lets go of the
   * key in a moment.
   */
  keepUntilMs(key: CanonicalKey, isAbsent: boolean, readAtMs: number): number {
    const known = this.#find(key);
    if (known === undefined) return LASTING;
    if (readAtMs < known.earliestMs || known.writer !== undefined) return known.earliestMs;
    if (readAtMs < known.latestMs || (!isAbsent && readAtMs - known.latestMs <= LATEST_EFFECT_MS))
      return known.earliestMs;
    this.#forget(key);
    return LASTING;
  }

  #find(key: CanonicalKey): Note | undefined {
    if (this.#young.size === 0 && this.#old.size === 0) return undefined;
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    return this.#old.size === 0 ? undefined : this.#old.get(key);
  }

  /** What is known of the key, now among the younger. */
  #renewed(key: CanonicalKey): Note | undefined {
    const known = this.#find(key);
    if (known !== undefined && !this.#young.has(key)) this.#keep(known);
    return known;
  }

  #add(key: CanonicalKey, expiresAtMs: number, writer: Request | undefined): Note {
    const note = { key: ownKey(key), earliestMs: expiresAtMs, latestMs: expiresAtMs, writer };
    this.#keep(note);
    return note;
  }

  #keep(note: Note): void {
    const bytes = NOTE_BYTES + note.key.length * 2;
    if (this.#youngBytes + bytes > this.#maxBytes / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#youngBytes += bytes;
    this.#young.set(note.key, note);
  }

  #forget(key: CanonicalKey): void {
    // The bytes stay counted until the generation ends: a bound, not a ledger.
    if (this.#young.size > 0) this.#young.delete(key);
    if (this.#old.size > 0) this.#old.delete(key);
  }
}

/** One more lifetime that the key may have; a lasting one ends nothing. */
function widen(note: Note, expiresAtMs: number): void {
  if (expiresAtMs === LASTING) return;
  if (expiresAtMs < note.earliestMs) note.earliestMs = Math.floor(expiresAtMs);
  if (expiresAtMs > note.latestMs) note.latestMs = Math.ceil(expiresAtMs);
}
