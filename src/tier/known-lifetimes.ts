import type { CanonicalKey } from "../core/key.js";

/** A key, its time and their place in a map. */
const NOTE_BYTES = 96;

/**
 * Until when keys live that this process gave a lifetime, or was told of one. Two generations of notes, of which the
 * older is dropped when the younger is full: what is forgotten, or never known, leaves only the tier's own time.
 */
export class KnownLifetimes {
  readonly #maxBytes: number;
  #young = new Map<CanonicalKey, number>();
  #old = new Map<CanonicalKey, number>();
  #youngBytes = 0;

  /** @param maxBytes of both generations together */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  note(key: CanonicalKey, expiresAtMs: number): void {
    if (!this.#young.has(key)) {
      const bytes = NOTE_BYTES + key.length * 2;
      if (this.#youngBytes + bytes > this.#maxBytes / 2) {
        this.#old = this.#young;
        this.#young = new Map();
        this.#youngBytes = 0;
      }
      this.#youngBytes += bytes;
    }
    this.#young.set(key, expiresAtMs);
  }

  forget(key: CanonicalKey): void {
    // The bytes stay counted until the generation ends: a bound, not a ledger.
    if (this.#young.size > 0) this.#young.delete(key);
    if (this.#old.size > 0) this.#old.delete(key);
  }

  /** Infinity: nothing is known. A past time stays known until {@link end}, because the store's clock began later. */
  expiryOf(key: CanonicalKey): number {
    if (this.#young.size === 0 && this.#old.size === 0) return Number.POSITIVE_INFINITY;
    return this.#young.get(key) ?? this.#old.get(key) ?? Number.POSITIVE_INFINITY;
  }

  /** The key is known to be gone, or written anew by another: a lifetime that is past says nothing of what comes. */
  end(key: CanonicalKey, nowMs: number): void {
    if (this.expiryOf(key) <= nowMs) this.forget(key);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#youngBytes = 0;
  }
}
