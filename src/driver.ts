/*
 * `millrace/driver`: what a driver of your own is made of, beside the types of `millrace`. How: `docs/drivers.md`.
 */
export type { Batch } from "./backends/batch.js";
export { BatchRun } from "./backends/batch-run.js";
export { type EntryAccess, executeOther, type FoundEntry } from "./backends/conditional-operations.js";
export type {
  Capabilities,
  ChangeListener,
  ConnectionCounts,
  Driver,
  DriverContext,
  Health,
  Logger,
  ScanPage,
} from "./backends/contract.js";
export { KeyChecksum } from "./backends/key-checksum.js";
export { locateError, placeError } from "./backends/located-error.js";
export {
  type CompareAndSwapDetail,
  Kind,
  OPERATION_NAMES,
  type OperationName,
  type PutDetail,
  type Request as DriverRequest,
  type TransactionStep,
} from "./backends/request.js";
export type {
  BulkEntry,
  BulkLoading,
  EntryWithMetadata,
  Metadata,
  MetadataAccess,
  TableMaintenance,
  TableStats,
} from "./backends/row-store.js";
export type { CompressionHint } from "./codec/compression-hint.js";
export type { CodecStatistics, ValueCodec } from "./codec/value-codec.js";
export { type CanonicalKey, canonicalKeyOfBytes, keyBytes } from "./core/key.js";
export type { Value } from "./core/value.js";
