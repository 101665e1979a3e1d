import { type CanonicalKey, isBinaryKey, joinKey, keyByteLength } from "../../core/key.js";
import { ownKey } from "../../core/own-key.js";
import type { StoredForm } from "./stored-form.js";
import { type Expiring, TimerWheel, type WheelNode } from "./timer-wheel.js";

/** What a map slot, the entry object and its buffer cost besides the bytes of key and value, roughly. */
const ENTRY_OVERHEAD_BYTES = 200;

/** The mark every canonical binary key begins with, alone: joined with a prefix it is what such keys begin with. */
const BINARY_MARK = "\udc00";

export class Entry implements Expiring {
  readonly key: CanonicalKey;
  readonly keyChecksum: number;
  /** Rises with every key that is added, so that a scan can tell what was there when it began. */
  readonly sequence: number;
  stored: StoredForm;
  expiresAtMs = 0;
  wheelAtMs = 0;
  previous: WheelNode | undefined = undefined;
  next: WheelNode | undefined = undefined;

  constructor(key: CanonicalKey, keyChecksum: number, sequence: number, stored: StoredForm) {
    this.key = key;
    this.keyChecksum = keyChecksum;
    this.sequence = sequence;
    this.stored = stored;
  }
}

/** Keys, stored bytes and lifetimes. Every method that takes `nowMs` sees entries expired by then as absent. */
export class MemoryStore {
  readonly #entries = new Map<CanonicalKey, Entry>();
  readonly #wheel: TimerWheel<Entry>;
  #sequence = 0;
  #bytes = 0;

  constructor(nowMs: number) {
    this.#wheel = new TimerWheel<Entry>(nowMs, (entry) => this.#forget(entry));
  }

  /** Tracked memory: keys, stored values and a flat sum per entry. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Entries held, those included that expired and were not yet met by a read or a sweep. */
  get size(): number {
    return this.#entries.size;
  }

  get expiringSize(): number {
    return this.#wheel.size;
  }

  find(key: CanonicalKey, nowMs: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAtMs === 0 || entry.expiresAtMs > nowMs) return entry;
    this.remove(entry);
    return undefined;
  }

  /** The entry of this key, expired or not: an overwrite does not care, and keeps its place and checksum. */
  peek(key: CanonicalKey): Entry | undefined {
    return this.#entries.get(key);
  }

  add(key: CanonicalKey, keyChecksum: number, stored: StoredForm, expiresAtMs: number): void {
    const own = ownKey(key);
    const entry = new Entry(own, keyChecksum, this.#sequence++, stored);
    this.#entries.set(own, entry);
    this.#bytes += keyByteLength(key) + stored.length + ENTRY_OVERHEAD_BYTES;
    if (expiresAtMs !== 0) this.setExpiry(entry, expiresAtMs);
  }

  overwrite(entry: Entry, stored: StoredForm, expiresAtMs: number): void {
    this.#bytes += stored.length - entry.stored.length;
    entry.stored = stored;
    this.setExpiry(entry, expiresAtMs);
  }

  /** 0: never. */
  setExpiry(entry: Entry, expiresAtMs: number): void {
    if (expiresAtMs === 0) {
      if (entry.expiresAtMs !== 0) this.#wheel.cancel(entry);
      entry.expiresAtMs = 0;
    } else {
      entry.expiresAtMs = expiresAtMs;
      this.#wheel.schedule(entry);
    }
  }

  remove(entry: Entry): void {
    this.#wheel.cancel(entry);
    this.#forget(entry);
  }

  /** Frees what expired by `nowMs`; bounded work. Returns whether nothing was left to do. */
  sweep(nowMs: number, maxSteps: number): boolean {
    return this.#wheel.advance(nowMs, maxSteps);
  }

  /**
   * The live entries that begin with `prefix`, each at most once; those added meanwhile are left out. The map may
   * change between two steps: its iterator survives that and goes in the order of insertion, so the first entry
   * younger than the scan is its end.
   */
  *entries(prefix: string, nowMs: () => number): Generator<Entry> {
    const end = this.#sequence;
    const binaryPrefix = joinKey(prefix, BINARY_MARK);
    for (const [key, entry] of this.#entries) {
      if (entry.sequence >= end) return;
      if (prefix !== "" && !key.startsWith(isBinaryKey(key) ? binaryPrefix : prefix)) continue;
      if (entry.expiresAtMs === 0 || entry.expiresAtMs > nowMs()) yield entry;
    }
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= keyByteLength(entry.key) + entry.stored.length + ENTRY_OVERHEAD_BYTES;
  }
}
