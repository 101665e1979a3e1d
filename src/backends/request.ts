import type { CompressionHint } from "../codec/compression-hint.js";
import type { CanonicalKey } from "../core/key.js";
import type { Value } from "../core/value.js";

/** What a request asks of the store. */
export const Kind = {
  get: 0,
  contains: 1,
  put: 2,
  delete: 3,
  setIfNotExists: 4,
  getAndDelete: 5,
  compareAndSwap: 6,
  increment: 7,
  ttl: 8,
  expire: 9,
  transaction: 10,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export const OPERATION_NAMES = [
  "get",
  "contains",
  "put",
  "delete",
  "setIfNotExists",
  "getAndDelete",
  "compareAndSwap",
  "increment",
  "ttl",
  "expire",
  "transaction",
] as const;
export type OperationName = (typeof OPERATION_NAMES)[number];

/** One step of a transaction, as `Engine.transaction` takes it after validation. `ttlMs` 0: never expires. */
export type TransactionStep =
  | PutStep
  | { readonly type: "delete"; readonly key: CanonicalKey }
  | { readonly type: "expire"; readonly key: CanonicalKey; readonly ttlMs: number };

/** A class, as `shortLivedList` says of literals. */
export class PutStep {
  readonly type = "put";
  readonly key: CanonicalKey;
  readonly value: Value;
  readonly ttlMs: number;

  constructor(key: CanonicalKey, value: Value, ttlMs: number) {
    this.key = key;
    this.value = value;
    this.ttlMs = ttlMs;
  }
}

/** A class, as `PutStep` is. */
export class CompareAndSwapDetail {
  /** null: the key must be absent. */
  readonly expected: Value | null;
  /** null: delete the key. */
  readonly next: Value | null;

  constructor(expected: Value | null, next: Value | null) {
    this.expected = expected;
    this.next = next;
  }
}

/** What a put carries besides value and lifetime, where it carries anything. */
export interface PutDetail {
  /** A JSON object, as text. */
  readonly metadata: string;
}

/** The detail of a get that decides on a write: only the store may answer it. */
export const READ_TO_WRITE: unique symbol = Symbol("read to write");

/** What requests carry besides key, value and ttl. */
export type RequestDetail =
  | undefined
  | typeof READ_TO_WRITE
  | PutDetail
  | CompareAndSwapDetail
  | bigint
  | readonly TransactionStep[];

export const NO_ANSWER: unique symbol = Symbol("no answer");

/** Receives the results of a multi-key call, whose requests have no promise of their own. */
export interface ResultCollector {
  /** Which call it is: 0 batchGet, 1 batchPut, 2 batchDelete. */
  readonly call: 0 | 1 | 2;
  settle(index: number, result: unknown): void;
  fail(index: number, error: Error): void;
}

/**
 * One caller operation on its way to the store. Mutable and shared along the way, because on the hot path an
 * object per stage costs more than the operation.
 */
export class Request {
  readonly kind: Kind;
  readonly key: CanonicalKey;
  /**
   * `key.length`, and `value.length` or 0: kept, because to ask a string for its length again and again, where strings
   * of many internal shapes pass, costs more each time than all else that is done with it. Of a transaction and a
   * compare-and-swap `valueUnits` is that of what they write.
   */
  readonly keyUnits: number;
  valueUnits: number;
  /** put, setIfNotExists: the value, or a `FramedValue` where its stored form was made ahead. */
  value: Value | undefined;
  /** Milliseconds; 0: never expires. For expire requests the new lifetime. */
  readonly ttlMs: number;
  detail: RequestDetail;
  /** Microseconds of the engine's clock, kept as a wrapping 32-bit integer so that it is never boxed. */
  readonly startedAtUs: number;
  /** Milliseconds from the start after which the caller has its answer. */
  readonly timeoutMs: number;
  resolve: ((result: unknown) => void) | undefined = undefined;
  reject: ((error: Error) => void) | undefined = undefined;
  collector: ResultCollector | undefined = undefined;
  collectorIndex = 0;
  signal: AbortSignal | undefined = undefined;
  /** Present while the signal is watched; ends that. */
  unwatchSignal: (() => void) | undefined = undefined;
  /** What is known of how this value's like compress; shared by the requests of one namespace. */
  hint: CompressionHint | undefined = undefined;
  /** Position in the order in which requests left the queue for the first time; 0: it has not. */
  order = 0;
  /** `sequence` of the batch that it is in; 0: it is in none, or waits to be planned again. */
  batchSequence = 0;
  /** How often it has been handed to a driver and failed. */
  failedAttempts = 0;
  /** It has left a batch and is about to be planned again; a driver that fails it once more changes nothing. */
  isReturning = false;
  /** An attempt may have been applied, whatever becomes of the next. */
  outcomeUnknown = false;
  /** True from the moment the caller has its answer (a result, an error, a timeout). */
  settled = false;
  /** The next request that shares this one's fate: same read, superseded write, read behind a pending write. */
  follower: Request | undefined = undefined;
  /** End of the chain of followers, kept by its leader. */
  lastFollower: Request | undefined = undefined;
  /** For a put: a delete of the same key that precedes it in the batch. */
  deleteBefore: Request | undefined = undefined;
  /** For a delete: a put of the same key follows it in the batch. */
  isOverwritten = false;
  /**
   * What this request is answered once the request it depends on succeeds, whatever the store says; `NO_ANSWER`: the
   * store's own result. A `Value` for a get behind a put.
   */
  answer: unknown = NO_ANSWER;
  /**
   * For a put: its index in its group while the batch is planned, so that it can be replaced in place when a later write
   * supersedes it. For a get: 0, or, where this process wants to keep the answer, what it knows the key by there.
   */
  mark = 0;

  constructor(
    kind: Kind,
    key: CanonicalKey,
    value: Value | undefined,
    ttlMs: number,
    detail: RequestDetail,
    startedAtUs: number,
    timeoutMs: number,
  ) {
    this.kind = kind;
    this.key = key;
    this.keyUnits = key.length;
    this.valueUnits = value === undefined ? 0 : value.length;
    this.value = value;
    this.ttlMs = ttlMs;
    this.detail = detail;
    this.startedAtUs = startedAtUs;
    this.timeoutMs = timeoutMs;
  }
}

/** What callers gave to be stored or compared. */
export function valuesOf({ kind, value, detail }: Request): readonly Value[] {
  if (kind === Kind.transaction) {
    return (detail as readonly TransactionStep[]).flatMap((step) => (step.type === "put" ? [step.value] : []));
  }
  const values = value === undefined ? [] : [value];
  if (kind !== Kind.compareAndSwap || detail === undefined) return values;
  const { expected, next } = detail as CompareAndSwapDetail;
  return [...values, expected, next].filter((given) => given !== null);
}

/** Units of the values that a request without a value of its own writes. */
export function writtenUnits(kind: Kind, detail: RequestDetail): number {
  if (kind === Kind.compareAndSwap) return (detail as CompareAndSwapDetail).next?.length ?? 0;
  if (kind !== Kind.transaction) return 0;
  let units = 0;
  for (const step of detail as readonly TransactionStep[]) units += step.type === "put" ? step.value.length : 0;
  return units;
}

/** Units of what a request carries besides its own key and values. */
export function detailUnits(kind: Kind, detail: RequestDetail): number {
  if (kind === Kind.put) return (detail as PutDetail).metadata.length;
  // Compared in the form in which it is stored, and as others may have written it.
  if (kind === Kind.compareAndSwap) return 2 * ((detail as CompareAndSwapDetail).expected?.length ?? 0);
  if (kind !== Kind.transaction) return 0;
  let units = 0;
  for (const step of detail as readonly TransactionStep[]) units += step.key.length;
  return units;
}

/** The keys that a request reads or changes. */
export function keysOf(request: Request): readonly CanonicalKey[] {
  if (request.kind !== Kind.transaction) return [request.key];
  return (request.detail as readonly TransactionStep[]).map((step) => step.key);
}
