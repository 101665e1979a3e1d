export { type Certificates, makeCertificates } from "./certificates.js";
export { type DelayProxy, type DelayProxyOptions, startDelayProxy } from "./delay-proxy.js";
export { type DriverKitOptions, describeDriver } from "./driver-kit/describe-driver.js";
export type { DriverScope, DriverUnderTest, OpenDriver } from "./driver-kit/subject.js";
export type {
  AcceptMode,
  ArmedFault,
  DirectionFaults,
  FaultProxy,
  FaultProxyOptions,
  FaultProxyStatistics,
  Faults,
  SingleFault,
} from "./fault-proxy/faults.js";
export { startFaultProxy } from "./fault-proxy/start-fault-proxy.js";
export { findOnPath, findRedisServer, type RedisExecutable, type RedisKind } from "./find-redis-server.js";
export { freePort } from "./free-port.js";
export { createLedger, type Ledger, type LedgerEngine, type LedgerOptions } from "./ledger/create-ledger.js";
export {
  type Entry as LedgerEntry,
  type KeyOperation as LedgerKeyOperation,
  type LedgerCall,
  type LedgerOperation,
  VIOLATION_KINDS,
  type Violation,
  type ViolationKind,
} from "./ledger/entry.js";
export { type RedisReadBack, redisReadBack } from "./ledger/redis-read-back.js";
export type { LedgerReport, OutcomeCounts } from "./ledger/tally.js";
export type { ReadBack, StoredValue } from "./ledger/verify-histories.js";
export { findPgBouncer, type PgBouncer, startPgBouncer } from "./pgbouncer-server.js";
export {
  findPostgres,
  type PostgresServer,
  type PostgresServerOptions,
  startPostgres,
} from "./postgres-server.js";
export { type RedisServer, type RedisServerOptions, startRedis } from "./redis-server.js";
export {
  type RedisCluster,
  type RedisSentinels,
  startRedisCluster,
  startRedisSentinels,
  startTlsRedis,
  type TlsRedis,
} from "./redis-topologies.js";
export { ServerProcess, type ServerProcessOptions } from "./server-process.js";
export { type TemporaryFolder, temporaryFolder } from "./temporary-folder.js";
export { type UsedPostgres, usePostgres } from "./use-postgres.js";
export { type UsedRedis, useRedis } from "./use-redis.js";
export { VirtualClock } from "./virtual-clock.js";
