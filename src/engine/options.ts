import { describe, type OptionRow } from "../config/describe.js";
import type { Fields, Settings, SettingsInput } from "../config/field.js";
import { group, switchable } from "../config/group.js";
import { bytes, duration, oneOf, string } from "../config/scalars.js";
import { batching, queue } from "./batching-options.js";
import { checksum, compression, workers } from "./codec-options.js";
import { circuitBreaker, degraded, retry, timeouts } from "./failure-options.js";
import { logger, metrics, slo, slowLog } from "./observability-options.js";
import { KIB, MAX_TTL_MS, MAX_VALUE_BYTES, MIB } from "./option-limits.js";
import { backend, pool, replicaLagMs, replicas, tls } from "./store-options.js";

const optionTable = group(
  {
    backend,
    replicas,
    replicaLagMs,
    keyPrefix: string({
      default: "state:",
      maxBytes: 1024,
      doc: "Stands before every key in the store and separates this engine's keys from all others.",
    }),
    defaultTtlMs: duration({
      min: 1,
      max: MAX_TTL_MS,
      default: null,
      doc: "Lifetime of entries put without one; null: they never expire. A counter that `increment` creates has none.",
    }),
    durability: oneOf(["ack", "replicated"], {
      default: "ack",
      doc: "When a write counts as done: once the store acknowledged it, or once replicas have it (by no store yet).",
    }),
    maxValueBytes: bytes({
      min: 1,
      max: MAX_VALUE_BYTES,
      default: 16 * MIB,
      doc: "Largest value, written or read, before compression.",
    }),
    batching,
    queue,
    compression,
    checksum,
    workers,
    pool,
    tls,
    timeouts,
    retry,
    circuitBreaker,
    slowLog,
    slo,
    metrics,
    cache: switchable(
      group(
        {
          maxBytes: bytes({
            min: KIB,
            max: 1024 * 1024 * MIB,
            default: 64 * MIB,
            doc: "Keys and values held, and what keeping them costs: some 200 bytes each.",
          }),
          ttlMs: duration({
            min: 1,
            max: 86_400_000,
            default: 1000,
            doc: "How long an entry is used if no change is heard of: the longest that one stays unseen.",
          }),
        },
        { doc: "A read-through tier in this process; false: every read asks the store." },
      ),
      { default: "off" },
    ),
    degraded,
    logger,
  },
  {
    doc: "Options of an engine.",
    rules: [
      ({ backend, replicas }) =>
        replicas.length > 0 &&
        (!["postgres", "redis"].includes(backend.kind) || replicas.some(({ kind }) => kind !== backend.kind))
          ? "replicas are postgres:// URLs beside a postgres:// backend, or redis:// and rediss:// beside such a one"
          : undefined,
      ({ backend, replicas }) =>
        replicas.some(
          (replica) => "database" in replica && "database" in backend && replica.database !== backend.database,
        )
          ? "replicas must name the same database as the backend: its data have no other there"
          : undefined,
      ({ cache, degraded }) =>
        degraded.reads === "stale" && cache === false ? "degraded.reads 'stale' needs a cache" : undefined,
      ({ replicas, replicaLagMs: lagMs }) =>
        replicas.length === 0 && lagMs !== replicaLagMs.fallback ? "replicaLagMs needs replicas" : undefined,
      ({ backend, replicas, tls }) =>
        (Object.values(tls).some((value) => typeof value === "string") || !tls.rejectUnauthorized) &&
        ![backend, ...replicas].some((address) => "tls" in address && address.tls)
          ? "tls options are for rediss:// URLs"
          : undefined,
    ],
  },
);

type Table = (typeof optionTable)["fields"];

/** The rows, for those who read options from elsewhere than code. */
export const engineOptionFields: Fields = optionTable.fields;

/** Every option with its default in place, deeply frozen; only a given driver stays as it was. */
export interface ResolvedOptions extends Settings<Table> {}

/** What `createEngine` takes: any part of the options. */
export interface EngineOptions extends SettingsInput<Table> {}

type GroupInput<Name extends keyof Table> = Exclude<SettingsInput<Table>[Name], false | undefined>;
type ItemInput<Name extends "slo"> = GroupInput<Name>[number];

// The groups by name, for declarations of packages that pass them on.
export interface BatchingOptions extends GroupInput<"batching"> {}
export interface QueueOptions extends GroupInput<"queue"> {}
export interface CompressionOptions extends GroupInput<"compression"> {}
export interface WorkersOptions extends GroupInput<"workers"> {}
export interface PoolOptions extends GroupInput<"pool"> {}
export interface TlsOptions extends GroupInput<"tls"> {}
export interface TimeoutsOptions extends GroupInput<"timeouts"> {}
export interface RetryOptions extends GroupInput<"retry"> {}
export interface CircuitBreakerOptions extends GroupInput<"circuitBreaker"> {}
export interface SlowLogOptions extends GroupInput<"slowLog"> {}
export interface SloOptions extends ItemInput<"slo"> {}
export interface MetricsOptions extends GroupInput<"metrics"> {}
export interface CacheOptions extends GroupInput<"cache"> {}
export interface DegradedOptions extends GroupInput<"degraded"> {}

/**
 * Checks options and fills in the defaults; a string is the backend's URL.
 *
 * @throws ConfigError (reason `ERR_CONFIG`) that names the option, what was received and what is allowed
 */
export function parseEngineOptions(input: string | EngineOptions | undefined): ResolvedOptions {
  return optionTable.read(typeof input === "string" ? { backend: input } : input === undefined ? {} : input, "");
}

/** One row per option, for documentation. */
export function describeEngineOptions(): OptionRow[] {
  return describe(optionTable.fields);
}

/** The options as logs may show them: no password, no object that is not plain. */
export function redactEngineOptions(options: ResolvedOptions): unknown {
  return optionTable.show(options);
}
