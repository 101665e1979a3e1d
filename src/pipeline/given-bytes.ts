import type { Batch } from "../backends/batch.js";
import { CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "../backends/request.js";
import { FramedValue } from "../codec/value-codec.js";
import { hasLostMemory, type Value } from "../core/value.js";
import { copyOfBytes } from "../core/value-memory.js";

/** Bytes that are a copy already: a batch is gone through again whenever something in it is given up. */
const copies = new WeakSet<Uint8Array>();

/**
 * A caller may use its bytes for something else once its call has ended, even where that was given up and its batch is
 * still under way: a driver may encode it only then, and a get behind a put is answered from it. From here on the batch
 * has copies of what its answered requests were given.
 */
export function keepGivenBytes(batch: Batch): void {
  const copyOf = new Map<unknown, Value>();
  batch.forEachRequest((request) => {
    if (request.settled) keepBytesOf(request, copyOf);
  });
  if (copyOf.size === 0) return;
  batch.forEachRequest((request) => {
    const copy = copyOf.get(request.answer);
    if (copy !== undefined) request.answer = copy;
  });
}

/** What was never sent need not be kept until the queue comes to it. */
export function letGoOfBytes(request: Request): void {
  // The batch of an earlier attempt may still be under way.
  if (request.failedAttempts > 0 || request.batchSequence !== 0) return;
  request.value = undefined;
  request.detail = request.kind === Kind.transaction ? [] : undefined;
}

function keepBytesOf(request: Request, copyOf: Map<unknown, Value>): void {
  const kept = <T extends Value | null>(value: T): T =>
    value instanceof Uint8Array ? (copied(value, copyOf) as T) : value;
  const { kind, value } = request;
  if (value instanceof FramedValue) {
    kept(value.original);
  } else if (value !== undefined) {
    request.value = kept(value);
  }
  if (kind === Kind.compareAndSwap) {
    const { expected, next } = request.detail as CompareAndSwapDetail;
    request.detail = new CompareAndSwapDetail(kept(expected), kept(next));
  } else if (kind === Kind.transaction) {
    const steps = request.detail as readonly TransactionStep[];
    request.detail = steps.map((step) => (step.type === "put" ? { ...step, value: kept(step.value) } : step));
  }
}

function copied(bytes: Uint8Array, copyOf: Map<unknown, Value>): Value {
  if (copies.has(bytes) || hasLostMemory(bytes)) return bytes;
  let copy = copyOf.get(bytes) as Buffer | undefined;
  if (copy === undefined) {
    copy = copyOfBytes(bytes);
    copies.add(copy);
    copyOf.set(bytes, copy);
  }
  return copy;
}
