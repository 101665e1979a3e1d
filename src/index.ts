export type { AdminServerOptions } from "./admin/admin-options.js";
export { type AdminServer, createAdminServer } from "./admin/admin-server.js";
export type { Batch, BatchChoice } from "./backends/batch.js";
export type { Capabilities, Driver, DriverContext, Health, Logger, ScanPage } from "./backends/contract.js";
export type { OperationName, Request as DriverRequest, TransactionStep } from "./backends/request.js";
export type { Metadata, TableStats } from "./backends/row-store.js";
export {
  AbortedError,
  BackendError,
  CheckpointError,
  CircuitOpenError,
  ClosedError,
  ConfigError,
  ConnectionError,
  CorruptValueError,
  type ErrorCode,
  type ErrorDetails,
  FencedError,
  InvalidArgumentError,
  LockLostError,
  LockTimeoutError,
  type Outcome,
  QueueFullError,
  RestoreError,
  SerializationError,
  StateError,
  TimeoutError,
  UnsupportedOperationError,
} from "./core/errors.js";
export type { Key, Value } from "./core/value.js";
export type {
  BatchCutReport,
  BatchingReport,
  CallOptions,
  Engine,
  EngineStats,
  ExpiryOptions,
  FindOptions,
  FoundEntry,
  FoundValue,
  LatencyWindow,
  MeasuredLatency,
  Mutation,
  PutOptions,
} from "./engine/engine-contract.js";
export { createEngine } from "./engine/open-engine.js";
export { type OptionSources, readEngineOptions } from "./engine/option-sources.js";
export type {
  BatchingOptions,
  CacheOptions,
  CircuitBreakerOptions,
  CompressionOptions,
  DegradedOptions,
  EngineOptions,
  MetricsOptions,
  PoolOptions,
  QueueOptions,
  RetryOptions,
  SloOptions,
  SlowLogOptions,
  TimeoutsOptions,
  TlsOptions,
  WorkersOptions,
} from "./engine/options.js";
export {
  type BatchCommands,
  type BatchCompleted,
  type BatchSent,
  type BudgetBurns,
  CHANNEL_NAMES,
  type ChannelMessages,
  type ChannelName,
  type CircuitChanged,
  type OperationFailed,
  type Reconnected,
  type Retry,
} from "./observability/channels.js";
export type { OperationLatency } from "./observability/latency-summary.js";
export type { Phase } from "./observability/operation-meters.js";
export {
  formatSloReport,
  type SloBurn,
  type SloObjective,
  type SloObjectiveReport,
  type SloReport,
  type SloSeverity,
  type SloWindow,
} from "./observability/slo-report.js";
export type { SlowOperation, SlowPhases } from "./observability/slow-log.js";
export type {
  CustomTableOptions,
  FormattedTableOptions,
  Table,
  TableCodec,
  TableFormat,
  TableOptions,
} from "./tables/table-contract.js";
export type { DegradedReadsStatistics } from "./tier/degraded-reads.js";
export type { ReadTierStatistics } from "./tier/read-tier.js";
export type {
  CodecJobCounts,
  CodecPoolStatistics,
  ComparisonState,
  CostBySize,
  CostClassState,
  OffloadModelState,
} from "./workers/codec-pool-statistics.js";
