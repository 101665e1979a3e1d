import { UnsupportedOperationError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import { copyOfValue, type Value, valueToBuffer } from "../core/value.js";
import { addToCounter } from "./counter.js";
import { type CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "./request.js";

/** An entry as found; valid until the next call on the access that found it. */
export interface FoundEntry {
  /** 0: never expires. */
  readonly expiresAtMs: number;
}

/**
 * What a store must offer, inside whatever makes it atomic there, to run the operations that read before they write.
 */
export interface EntryAccess<Entry extends FoundEntry> {
  /** The instant at which all of it happens, on the clock of `expiresAtMs`. */
  readonly nowMs: number;
  /** Expired entries are absent. */
  find(key: CanonicalKey): Entry | undefined;
  valueOf(key: CanonicalKey, entry: Entry): Buffer;
  encode(key: CanonicalKey, value: Value): Buffer;
  putEncoded(key: CanonicalKey, stored: Buffer, expiresAtMs: number): void;
  setExpiry(key: CanonicalKey, entry: Entry, expiresAtMs: number): void;
  remove(key: CanonicalKey, entry: Entry): void;
}

/** Runs a request of the group `others` and returns its result; if it throws a StateError, nothing has changed. */
export function executeOther<Entry extends FoundEntry>(access: EntryAccess<Entry>, request: Request): unknown {
  switch (request.kind) {
    case Kind.increment:
      return increment(access, request);
    case Kind.compareAndSwap:
      return compareAndSwap(access, request);
    case Kind.setIfNotExists:
      return setIfNotExists(access, request);
    case Kind.getAndDelete:
      return getAndDelete(access, request.key);
    case Kind.ttl:
      return timeToLive(access, request.key);
    case Kind.expire:
      return expire(access, request.key, request.ttlMs);
    case Kind.transaction:
      return transaction(access, request.detail as readonly TransactionStep[]);
    default:
      throw new UnsupportedOperationError("this store does not know the operation");
  }
}

function expiryAfter(nowMs: number, ttlMs: number): number {
  return ttlMs === 0 ? 0 : nowMs + ttlMs;
}

function increment<Entry extends FoundEntry>(access: EntryAccess<Entry>, request: Request): bigint {
  const { key } = request;
  const entry = access.find(key);
  const expiresAtMs = entry?.expiresAtMs ?? 0;
  const sum = addToCounter(entry === undefined ? null : access.valueOf(key, entry), request.detail as bigint);
  access.putEncoded(key, copyOfValue(String(sum)), expiresAtMs);
  return sum;
}

function compareAndSwap<Entry extends FoundEntry>(access: EntryAccess<Entry>, request: Request): boolean {
  const { key } = request;
  const { expected, next } = request.detail as CompareAndSwapDetail;
  const entry = access.find(key);
  if ((expected === null) !== (entry === undefined)) return false;
  if (expected !== null && !access.valueOf(key, entry!).equals(valueToBuffer(expected))) return false;
  if (next !== null) access.putEncoded(key, access.encode(key, next), expiryAfter(access.nowMs, request.ttlMs));
  else if (entry !== undefined) access.remove(key, entry);
  return true;
}

function setIfNotExists<Entry extends FoundEntry>(access: EntryAccess<Entry>, request: Request): boolean {
  const { key } = request;
  if (access.find(key) !== undefined) return false;
  access.putEncoded(key, access.encode(key, request.value as Value), expiryAfter(access.nowMs, request.ttlMs));
  return true;
}

function getAndDelete<Entry extends FoundEntry>(access: EntryAccess<Entry>, key: CanonicalKey): Buffer | null {
  const entry = access.find(key);
  if (entry === undefined) return null;
  const value = access.valueOf(key, entry);
  access.remove(key, entry);
  return value;
}

export function timeToLive<Entry extends FoundEntry>(access: EntryAccess<Entry>, key: CanonicalKey): number | null {
  const entry = access.find(key);
  if (entry === undefined) return null;
  return entry.expiresAtMs === 0 ? Number.POSITIVE_INFINITY : Math.ceil(entry.expiresAtMs - access.nowMs);
}

function expire<Entry extends FoundEntry>(access: EntryAccess<Entry>, key: CanonicalKey, ttlMs: number): boolean {
  const entry = access.find(key);
  if (entry === undefined) return false;
  access.setExpiry(key, entry, expiryAfter(access.nowMs, ttlMs));
  return true;
}

function transaction<Entry extends FoundEntry>(
  access: EntryAccess<Entry>,
  steps: readonly TransactionStep[],
): undefined {
  // What can fail for one request alone comes before the first change: a value with no form, an entry that is damaged.
  const encoded = steps.map((step) => {
    if (step.type === "put") return access.encode(step.key, step.value);
    access.find(step.key);
    return undefined;
  });
  steps.forEach((step, index) => {
    if (step.type === "put") {
      access.putEncoded(step.key, encoded[index]!, expiryAfter(access.nowMs, step.ttlMs));
    } else if (step.type === "delete") {
      const entry = access.find(step.key);
      if (entry !== undefined) access.remove(step.key, entry);
    } else {
      expire(access, step.key, step.ttlMs);
    }
  });
}
