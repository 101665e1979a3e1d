import type { Outcome } from "../../core/errors.js";

/** What a call does to one key. */
export type KeyOperation =
  | "get"
  | "contains"
  | "ttl"
  | "put"
  | "delete"
  | "expire"
  | "setIfNotExists"
  | "getAndDelete"
  | "compareAndSwap"
  | "increment";

/** Every operation of an engine that changes or reads given keys, and `clear`. */
export type LedgerOperation = KeyOperation | "batchGet" | "batchPut" | "batchDelete" | "transaction" | "clear";

/** Bytes as latin1 text, so that they can be compared, kept and printed cheaply. null: absent. */
export type Content = string | null;

/** One call: when it was made and what came of it. Times are milliseconds of the ledger's clock. */
export interface LedgerCall {
  readonly operation: LedgerOperation;
  /** How many entries it has: one per key, or per step of a transaction. */
  size: number;
  readonly calledMs: number;
  readonly deadlineMs: number;
  settledMs: number | undefined;
  outcome: "pending" | "ok" | Outcome;
  /** Code of the error and its reason. */
  failure: string | undefined;
  /** How many keys existed, as `batchDelete` and `clear` say when they succeed. */
  count: number | undefined;
  /** Settled after deadline and budget, stalls of the event loop set aside. */
  isLate: boolean;
}

/** One call's work on one key. */
export interface Entry {
  readonly call: LedgerCall;
  /** Its place among the entries of the call. */
  readonly position: number;
  readonly operation: KeyOperation;
  /** What the operation writes: the value, the amount of an increment; undefined for the others. */
  readonly value: Content | undefined;
  /** Of a compare-and-swap. */
  readonly expected: Content | undefined;
  /** The lifetime that a write gives its value; null: for ever. */
  readonly ttlMs: number | null;
  /** Of an operation that succeeded; undefined too where the call says nothing of the single key. */
  result: Content | boolean | bigint | number | undefined;
}

export const VIOLATION_KINDS = [
  "duplicate",
  "lost-ack",
  "stale-overwrite",
  "wrong-not-applied",
  "torn-transaction",
  "wrong-lifetime",
  "wrong-read",
  "unsettled",
  "late",
] as const;

/**
 *   duplicate          an operation that is not idempotent took effect more than once
 *   lost-ack           an acknowledged write is not in the store, and nothing newer explains it
 *   stale-overwrite    an older write stands over a newer acknowledged one
 *   wrong-not-applied  a write that was reported `not-applied` took effect
 *   torn-transaction   some steps of a transaction took effect and others did not
 *   wrong-lifetime     a value outlived its lifetime, ended before it, or has another one
 *   wrong-read         a read gave bytes that were never written to its key, or a count that cannot be
 *   unsettled          a promise that is pending still
 *   late               settled after its deadline and the budget
 */
export type ViolationKind = (typeof VIOLATION_KINDS)[number];

export interface Violation {
  readonly kind: ViolationKind;
  readonly key: string;
  /** Index of the call within the key's history; the history's length: what was read back. */
  readonly call: number;
  readonly detail: string;
  /** The calls before and at the place, shortened, oldest first. */
  readonly history: readonly string[];
}

export function writes(entry: Entry): boolean {
  return entry.operation !== "get" && entry.operation !== "contains" && entry.operation !== "ttl";
}
