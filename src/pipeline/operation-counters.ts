import { Kind, OPERATION_NAMES } from "../backends/request.js";
import type { ErrorCode } from "../core/errors.js";

/** What the pipeline counts as it goes; read by `stats()`. */
export class OperationCounters {
  /** By kind of request, those of multi-key calls among them. */
  readonly succeededByKind = new Float64Array(OPERATION_NAMES.length);
  readonly failedByKind = new Float64Array(OPERATION_NAMES.length);
  readonly failedByCode = new Map<ErrorCode, number>();
  retries = 0;
  hits = 0;
  misses = 0;
  bytesRead = 0;
  bytesWritten = 0;
  batches = 0;
  batchedOperations = 0;
  /** Operations that shared another's command. */
  coalesced = 0;
  /** Why batches were cut. */
  readonly cuts = { size: 0, bytes: 0, hazard: 0, turn: 0 };

  get succeeded(): number {
    return sum(this.succeededByKind);
  }

  get failed(): number {
    return sum(this.failedByKind);
  }

  /** Operations failed with this code. */
  failedWith(kind: Kind, operations: number, code: ErrorCode): void {
    this.failedByKind[kind]! += operations;
    this.failedByCode.set(code, (this.failedByCode.get(code) ?? 0) + operations);
  }

  /** An operation was answered from what this process had. */
  answeredHere(kind: Kind, result: Buffer | boolean | null): void {
    this.succeededByKind[kind]!++;
    if (kind !== Kind.get) return;
    if (result === null) {
      this.misses++;
    } else {
      this.hits++;
      this.bytesRead += (result as Buffer).length;
    }
  }
}

function sum(counts: Float64Array): number {
  let total = 0;
  for (let index = 0; index < counts.length; index++) total += counts[index]!;
  return total;
}
