import type { CanonicalKey } from "../core/key.js";
import type { Value } from "../core/value.js";

/** A JSON object that stands beside a value. */
export type Metadata = Readonly<Record<string, unknown>>;

export interface EntryWithMetadata {
  readonly key: CanonicalKey;
  readonly value: Buffer;
  /** null: the entry has none. */
  readonly metadata: Metadata | null;
}

/** For stores with the capability `metadata`: they also take what `PutDetail` says of a put. */
export interface MetadataAccess {
  readWithMetadata(key: CanonicalKey): Promise<EntryWithMetadata | null>;
  /**
   * Pages of the live entries whose metadata contains `containment` (a JSON object, as text), in the order of their
   * keys, memory bounded by the page.
   */
  findByMetadata(containment: string, prefix: string, limit: number): AsyncIterable<readonly EntryWithMetadata[]>;
}

export interface TableStats {
  /** Estimates of the store's own bookkeeping. */
  readonly rows: number;
  readonly deadRows: number;
  /** Counted: rows that have expired and wait for their removal. */
  readonly expiredRows: number;
  readonly tableBytes: number;
  readonly indexBytes: number;
  /** Where long values are. */
  readonly toastBytes: number;
  readonly totalBytes: number;
  readonly indexes: Readonly<Record<string, number>>;
  /** By hand or by itself, whichever came later; null: never. */
  readonly lastVacuumAt: Date | null;
  readonly lastAnalyzeAt: Date | null;
}

/** For stores that keep entries as rows of tables. */
export interface TableMaintenance {
  /** Removes what has expired; resolves to how many rows that were. */
  cleanupExpired(): Promise<number>;
  vacuum(): Promise<void>;
  tableStats(): Promise<TableStats>;
}

export interface BulkEntry {
  readonly key: CanonicalKey;
  readonly value: Value;
  /** Milliseconds from when the load takes effect, so not from before its last entry was given; 0: never expires. */
  readonly ttlMs: number;
}

export interface BulkLoading {
  /**
   * Puts many entries, all or none, over whatever is there; of equal keys the last wins. Resolves to how many entries
   * there are now because of it. Pulls from `entries` only as fast as the store takes them.
   */
  bulkLoad(entries: AsyncIterable<BulkEntry>): Promise<number>;
}
