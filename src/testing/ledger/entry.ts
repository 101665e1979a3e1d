import type { Outcome } from "../../core/errors.js";

export type LedgerOperation =
  | "get"
  | "contains"
  | "put"
  | "delete"
  | "setIfNotExists"
  | "getAndDelete"
  | "compareAndSwap"
  | "increment";

/** Bytes as latin1 text, so that they can be compared, kept and printed cheaply. null: absent. */
export type Content = string | null;

/** One call: what was asked, what came of it, and when. Times are milliseconds of the ledger's clock. */
export interface Entry {
  readonly operation: LedgerOperation;
  /** What the operation writes: the value, the amount of an increment; undefined for the others. */
  readonly value: Content | undefined;
  /** Of a compare-and-swap. */
  readonly expected: Content | undefined;
  readonly calledMs: number;
  readonly deadlineMs: number;
  settledMs: number | undefined;
  outcome: "pending" | "ok" | Outcome;
  /** Of an operation that succeeded. */
  result: Content | boolean | bigint | undefined;
  /** Code of the error and its reason. */
  failure: string | undefined;
  /** Settled after deadline and budget, stalls of the event loop set aside. */
  isLate: boolean;
}

export const VIOLATION_KINDS = [
  "duplicate",
  "lost-ack",
  "stale-overwrite",
  "wrong-not-applied",
  "wrong-read",
  "unsettled",
  "late",
] as const;

/**
 *   duplicate          an operation that is not idempotent took effect more than once
 *   lost-ack           an acknowledged write is not in the store, and nothing newer explains it
 *   stale-overwrite    an older write stands over a newer acknowledged one
 *   wrong-not-applied  a write that was reported `not-applied` took effect
 *   wrong-read         a read gave bytes that were never written to its key
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
