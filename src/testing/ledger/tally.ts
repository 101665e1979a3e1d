import { described } from "./description.js";
import {
  type Entry,
  type LedgerCall,
  type LedgerOperation,
  VIOLATION_KINDS,
  type Violation,
  type ViolationKind,
} from "./entry.js";

export interface OutcomeCounts {
  readonly acknowledged: number;
  readonly notApplied: number;
  readonly unknown: number;
}

export interface LedgerReport extends OutcomeCounts {
  readonly calls: number;
  readonly byOperation: Readonly<Partial<Record<LedgerOperation, OutcomeCounts>>>;
  readonly violations: Readonly<Record<ViolationKind, number>>;
  /** The first of each kind, for people. */
  readonly examples: readonly Violation[];
  /** How often calls failed with which code and reason. */
  readonly failures: Readonly<Record<string, number>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const EXAMPLES_PER_KIND = 3;
const HISTORY_SHOWN = 12;

/** Counts calls and violations, and keeps the first few of each kind. */
export class Tally {
  readonly #violations = Object.fromEntries(VIOLATION_KINDS.map((kind) => [kind, 0])) as Record<ViolationKind, number>;
  readonly #failures: Record<string, number> = {};
  readonly #examples: Violation[] = [];
  readonly #byOperation: Partial<Record<LedgerOperation, Mutable<OutcomeCounts>>> = {};

  count(call: LedgerCall): void {
    let counts = this.#byOperation[call.operation];
    if (counts === undefined) {
      counts = { acknowledged: 0, notApplied: 0, unknown: 0 };
      this.#byOperation[call.operation] = counts;
    }
    if (call.outcome === "ok") counts.acknowledged++;
    else if (call.outcome === "not-applied") counts.notApplied++;
    else counts.unknown++;
    if (call.failure !== undefined) this.#failures[call.failure] = (this.#failures[call.failure] ?? 0) + 1;
  }

  violation(entries: readonly Entry[], violation: Omit<Violation, "history">): void {
    const seen = ++this.#violations[violation.kind];
    if (seen > EXAMPLES_PER_KIND) return;
    const until = Math.min(entries.length, violation.call + 1);
    const history = entries.slice(Math.max(0, until - HISTORY_SHOWN), until).map(described);
    this.#examples.push({ ...violation, history });
  }

  report(): LedgerReport {
    const sum = (outcome: keyof OutcomeCounts): number =>
      Object.values(this.#byOperation).reduce((total, counts) => total + counts[outcome], 0);
    const acknowledged = sum("acknowledged");
    const notApplied = sum("notApplied");
    const unknown = sum("unknown");
    return {
      calls: acknowledged + notApplied + unknown,
      acknowledged,
      notApplied,
      unknown,
      byOperation: this.#byOperation,
      violations: this.#violations,
      examples: this.#examples,
      failures: this.#failures,
    };
  }
}
