import { UnsupportedOperationError } from "../../core/errors.js";
import { type Value, valueToBuffer } from "../../core/value.js";
import { addToCounter } from "../counter.js";
import { type CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "../request.js";
import type { MemorySession } from "./memory-session.js";

/** Runs a request of the group `others` and returns its result; throws without having changed anything. */
export function executeOther(session: MemorySession, request: Request): unknown {
  switch (request.kind) {
    case Kind.increment:
      return increment(session, request);
    case Kind.compareAndSwap:
      return compareAndSwap(session, request);
    case Kind.setIfNotExists:
      return setIfNotExists(session, request);
    case Kind.getAndDelete:
      return getAndDelete(session, request);
    case Kind.ttl:
      return timeToLive(session, request);
    case Kind.expire:
      return expire(session, request.key, request.ttlMs);
    case Kind.transaction:
      return transaction(session, request.detail as readonly TransactionStep[]);
    default:
      throw new UnsupportedOperationError("the memory store does not know this operation");
  }
}

function increment(session: MemorySession, request: Request): bigint {
  const entry = session.store.find(request.key, session.nowMs);
  const sum = addToCounter(entry === undefined ? null : session.valueOf(entry), request.detail as bigint);
  session.putPlain(request.key, entry, Buffer.from(String(sum), "latin1"));
  return sum;
}

function compareAndSwap(session: MemorySession, request: Request): boolean {
  const { expected, next } = request.detail as CompareAndSwapDetail;
  const entry = session.store.find(request.key, session.nowMs);
  if (expected === null ? entry !== undefined : entry === undefined) return false;
  if (expected !== null && !session.valueOf(entry!).equals(valueToBuffer(expected))) return false;
  if (next !== null) session.put(request.key, next, request.ttlMs);
  else if (entry !== undefined) session.store.remove(entry);
  return true;
}

function setIfNotExists(session: MemorySession, request: Request): boolean {
  if (session.store.find(request.key, session.nowMs) !== undefined) return false;
  session.put(request.key, request.value as Value, request.ttlMs);
  return true;
}

function getAndDelete(session: MemorySession, request: Request): Buffer | null {
  const entry = session.store.find(request.key, session.nowMs);
  if (entry === undefined) return null;
  const value = session.valueOf(entry);
  session.store.remove(entry);
  return value;
}

function timeToLive(session: MemorySession, request: Request): number | null {
  const entry = session.store.find(request.key, session.nowMs);
  if (entry === undefined) return null;
  return entry.expiresAtMs === 0 ? Number.POSITIVE_INFINITY : Math.ceil(entry.expiresAtMs - session.nowMs);
}

function expire(session: MemorySession, key: string, ttlMs: number): boolean {
  const entry = session.store.find(key, session.nowMs);
  if (entry === undefined) return false;
  session.store.setExpiry(entry, ttlMs === 0 ? 0 : session.nowMs + ttlMs);
  return true;
}

function transaction(session: MemorySession, steps: readonly TransactionStep[]): undefined {
  // Encoding is all that can fail, so it comes before the first change.
  const encoded = steps.map((step) => (step.type === "put" ? session.encode(step.key, step.value) : undefined));
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    if (step.type === "put") {
      session.putEncoded(step.key, encoded[i]!, step.ttlMs);
    } else if (step.type === "delete") {
      const entry = session.store.find(step.key, session.nowMs);
      if (entry !== undefined) session.store.remove(entry);
    } else {
      expire(session, step.key, step.ttlMs);
    }
  }
}
