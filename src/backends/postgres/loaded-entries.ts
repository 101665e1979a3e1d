import type { ValueCodec } from "../../codec/value-codec.js";
import type { CanonicalKey } from "../../core/key.js";
import { shortLivedList } from "../../core/short-lived-list.js";
import type { Value } from "../../core/value.js";
import type { EntryAccess, FoundEntry } from "../conditional-operations.js";
import { type CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "../request.js";
import { tooLargeError } from "./exchanges.js";

/** An entry that is locked in the store, or was not there, with what becomes of it. */
export class LoadedEntry implements FoundEntry {
  readonly key: CanonicalKey;
  /** Whether its value must be read. */
  wantsValue: boolean;
  checksum = 0;
  isStored = false;
  isLive = false;
  stored: Buffer | undefined = undefined;
  expiresAtMs = 0;
  isChanged = false;
  hasNewValue = false;
  keepsMetadata = true;

  constructor(key: CanonicalKey, wantsValue: boolean) {
    this.key = key;
    this.wantsValue = wantsValue;
  }
}

/**
 * The entries that conditional operations and transactions work on, between being locked and being written back. The
 * operations themselves are the ones that all stores share.
 */
export class LoadedEntries implements EntryAccess<LoadedEntry> {
  readonly all: LoadedEntry[] = shortLivedList();
  nowMs = 0;
  /** The operation that runs changes a value and not what it means: its metadata stays. */
  keepsMetadata = false;
  readonly #byKey = new Map<CanonicalKey, LoadedEntry>();
  readonly #codec: ValueCodec;
  readonly #maxValueBytes: number;
  readonly #maxStoredBytes: number;

  constructor(requests: readonly Request[], codec: ValueCodec, maxValueBytes: number, maxStoredBytes: number) {
    this.#codec = codec;
    this.#maxValueBytes = maxValueBytes;
    this.#maxStoredBytes = maxStoredBytes;
    for (const request of requests) {
      if (request.kind === Kind.transaction) {
        for (const step of request.detail as readonly TransactionStep[]) this.#add(step.key, false);
      } else {
        this.#add(request.key, needsValue(request));
      }
    }
  }

  /** Before they are locked anew: nothing of what was read or changed stays. */
  reset(): void {
    for (const entry of this.all) {
      entry.isStored = false;
      entry.isLive = false;
      entry.stored = undefined;
      entry.expiresAtMs = 0;
      entry.isChanged = false;
      entry.hasNewValue = false;
      entry.keepsMetadata = true;
    }
  }

  /** Each once. */
  of(keys: readonly CanonicalKey[]): readonly LoadedEntry[] {
    return [...new Set(keys)].map((key) => this.#byKey.get(key)!);
  }

  find(key: CanonicalKey): LoadedEntry | undefined {
    const entry = this.#byKey.get(key);
    return entry?.isLive === true ? entry : undefined;
  }

  valueOf(_key: CanonicalKey, entry: LoadedEntry): Buffer {
    const stored = entry.stored!;
    if (!entry.hasNewValue && stored.length > this.#maxStoredBytes) throw tooLargeError(this.#maxValueBytes);
    return this.#codec.decode(stored, 0, stored.length, entry.checksum);
  }

  encode(key: CanonicalKey, value: Value): Buffer {
    return this.#codec.encode(this.#byKey.get(key)!.checksum, value);
  }

  putEncoded(key: CanonicalKey, stored: Buffer, expiresAtMs: number): void {
    const entry = this.#byKey.get(key)!;
    if (!this.keepsMetadata || !entry.isLive) entry.keepsMetadata = false;
    entry.isLive = true;
    entry.stored = stored;
    entry.hasNewValue = true;
    entry.expiresAtMs = expiresAtMs;
    entry.isChanged = true;
  }

  setExpiry(_key: CanonicalKey, entry: LoadedEntry, expiresAtMs: number): void {
    entry.expiresAtMs = expiresAtMs;
    entry.isChanged = true;
  }

  remove(_key: CanonicalKey, entry: LoadedEntry): void {
    entry.isLive = false;
    entry.isChanged = true;
  }

  #add(key: CanonicalKey, wantsValue: boolean): void {
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.wantsValue ||= wantsValue;
      return;
    }
    const entry = new LoadedEntry(key, wantsValue);
    this.#byKey.set(key, entry);
    this.all.push(entry);
  }
}

function needsValue(request: Request): boolean {
  switch (request.kind) {
    case Kind.increment:
    case Kind.getAndDelete:
      return true;
    case Kind.compareAndSwap:
      return (request.detail as CompareAndSwapDetail).expected !== null;
    default:
      return false;
  }
}
