import { type CanonicalKey, keyByteLength } from "../../core/key.js";
import type { Value } from "../../core/value.js";
import type { Batch } from "../batch.js";
import { type CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "../request.js";

/** What a UTF-16 unit takes as UTF-8 at most; text is measured only where that might be too much. */
const BYTES_PER_UNIT = 3;

/** Bytes of the record of a key as it is; 0: there is none. */
export type RecordBytesOf = (key: CanonicalKey) => number;

/** What writes come to, or what they come to at most. */
export class WriteCost {
  /** Of single records, a transaction's steps each for itself. */
  writes = 0;
  /** Those of them that may leave a record where none was, or a longer one. */
  growing = 0;
  /** Keys and values of those that grow. */
  bytes = 0;
  /** Bytes of records that are written anew with another lifetime: the old ones are given back, but only then. */
  rewritten = 0;
  readonly #recordBytesOf: RecordBytesOf;

  constructor(recordBytesOf: RecordBytesOf) {
    this.#recordBytesOf = recordBytesOf;
  }

  /** A bound, without a look at each put. */
  addMost(batch: Batch): void {
    const puts = batch.puts.length + batch.expiringPuts.length;
    this.writes += puts + batch.deletes.length;
    this.growing += puts;
    this.bytes += batch.bytes * BYTES_PER_UNIT;
    for (const request of batch.others) this.#add(request, mostBytes, mostBytes);
  }

  add(request: Request): void {
    this.#add(request, keyByteLength, exactBytes);
  }

  copy(): WriteCost {
    const copy = new WriteCost(this.#recordBytesOf);
    copy.writes = this.writes;
    copy.growing = this.growing;
    copy.bytes = this.bytes;
    copy.rewritten = this.rewritten;
    return copy;
  }

  #add(request: Request, keyBytes: (key: CanonicalKey) => number, valueBytes: (value: Value) => number): void {
    const { kind, key } = request;
    if (!isWrite(request)) return;
    if (kind === Kind.transaction) {
      for (const step of request.detail as readonly TransactionStep[]) {
        this.writes++;
        if (step.type === "delete") continue;
        this.growing++;
        this.bytes += keyBytes(step.key);
        if (step.type === "put") this.bytes += valueBytes(step.value);
        else this.rewritten += this.#recordBytesOf(step.key);
      }
      return;
    }
    this.writes++;
    if (!isGrowing(request)) return;
    this.growing++;
    this.bytes += keyBytes(key);
    if (kind === Kind.expire) this.rewritten += this.#recordBytesOf(key);
    const value = kind === Kind.compareAndSwap ? (request.detail as CompareAndSwapDetail).next : request.value;
    this.bytes += valueBytes(value ?? "");
  }
}

/** Calls `visit` for each request that may change something, those that need no room for more first. */
export function forEachWrite(batch: Batch, visit: (request: Request) => void): void {
  const { deletes, puts, expiringPuts, others } = batch;
  for (const request of deletes) visit(request);
  for (const request of others) if (isWrite(request) && !isGrowing(request)) visit(request);
  for (const request of puts) visit(request);
  for (const request of expiringPuts) visit(request);
  for (const request of others) if (isGrowing(request)) visit(request);
}

function isWrite({ kind }: Request): boolean {
  return kind !== Kind.get && kind !== Kind.contains && kind !== Kind.ttl;
}

function isGrowing(request: Request): boolean {
  switch (request.kind) {
    case Kind.put:
    case Kind.setIfNotExists:
    case Kind.increment:
    case Kind.expire:
      return true;
    case Kind.compareAndSwap:
      return (request.detail as CompareAndSwapDetail).next !== null;
    case Kind.transaction:
      return (request.detail as readonly TransactionStep[]).some(({ type }) => type !== "delete");
    default:
      return false;
  }
}

function mostBytes(value: Value): number {
  return value.length * BYTES_PER_UNIT;
}

function exactBytes(value: Value): number {
  return typeof value === "string" ? Buffer.byteLength(value) : value.length;
}
