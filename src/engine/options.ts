import type { Driver, Logger } from "../backends/contract.js";
import { OPERATION_NAMES } from "../backends/request.js";
import { type BackendAddress, describeAddress, parseBackendUrl } from "../config/backend-url.js";
import { describe, type OptionRow } from "../config/describe.js";
import { type Field, type Fields, refuse, type Settings, type SettingsInput, shown } from "../config/field.js";
import { group, list, record, switchable } from "../config/group.js";
import { boolean, bytes, duration, integer, number, oneOf, string } from "../config/scalars.js";

/** Longest lifetime of an entry: ten years. Stores take far longer ones, but only a mistake asks for them. */
export const MAX_TTL_MS = 315_360_000_000;

const KIB = 1024;
const MIB = 1_048_576;
const MAX_VALUE_BYTES = 512 * MIB;
/** Deadlines are kept in wrapping 32-bit microseconds, which turn negative after 35 minutes. */
const MAX_OPERATION_MS = 1_800_000;
const MAX_DELAY_MS = 3_600_000;

/** A store by address, or a driver the caller brought. */
export type BackendChoice = BackendAddress | { readonly kind: "driver"; readonly driver: Driver };

const DRIVER_METHODS = [
  "open",
  "execute",
  "scan",
  "clear",
  "health",
  "memoryUsage",
  "serverInfo",
  "connections",
  "close",
];
const LOGGER_METHODS = ["debug", "info", "warn", "error"];

const ignore = (): void => {};
const silentLogger: Logger = Object.freeze({ debug: ignore, info: ignore, warn: ignore, error: ignore });

const backend: Field<BackendChoice, string | Driver> = {
  fallback: Object.freeze({ kind: "lmdb", path: "./.millrace" }),
  type: "URL | Driver",
  limits: "memory:, lmdb:, redis:, rediss:, redis+sentinel:, redis+cluster:, postgres:",
  unit: "",
  doc: "The store: a URL, or an object that implements Driver.",
  read(received, path) {
    if (typeof received === "string") return Object.freeze(parseBackendUrl(received, path));
    const missing = missingMethod(received, DRIVER_METHODS);
    if (missing === undefined) return Object.freeze({ kind: "driver", driver: received as Driver });
    return refuse(path, `must be a URL or a Driver; got ${shown(received)} without ${missing}()`);
  },
  show: (choice) => (choice.kind === "driver" ? `driver ${choice.driver.name}` : describeAddress(choice)),
};

const replica: Field<BackendAddress, string> = {
  fallback: backend.fallback as BackendAddress,
  type: "URL",
  limits: "postgres:",
  unit: "",
  doc: "A server that reads may go to.",
  read(received, path) {
    if (typeof received !== "string") return refuse(path, `must be a URL; got ${shown(received)}`);
    return Object.freeze(parseBackendUrl(received, path));
  },
  show: describeAddress,
};

const logger: Field<Logger> = {
  fallback: silentLogger,
  type: "Logger",
  limits: "methods debug, info, warn and error, called with (details, message) as pino's",
  unit: "",
  doc: "Receives the engine's log lines; values and passwords never enter them.",
  read(received, path) {
    const missing = missingMethod(received, LOGGER_METHODS);
    if (missing === undefined) return received as Logger;
    return refuse(path, `must be a logger like pino's; got ${shown(received)} without ${missing}()`);
  },
  show: (value) => (value === silentLogger ? "silent" : "given"),
};

const optionTable = group(
  {
    backend,
    replicas: list(replica, { max: 64, doc: "Servers that reads may go to (PostgreSQL only)." }),
    replicaLagMs: duration({
      min: 1,
      max: MAX_DELAY_MS,
      default: 1000,
      doc: "How far behind its primary a replica may be to be read.",
    }),
    keyPrefix: string({
      default: "state:",
      maxBytes: 1024,
      doc: "Stands before every key in the store and separates this engine's keys from all others.",
    }),
    defaultTtlMs: duration({
      min: 1,
      max: MAX_TTL_MS,
      default: null,
      doc: "Lifetime of entries put without one; null: they never expire.",
    }),
    durability: oneOf(["ack", "replicated"], {
      default: "ack",
      doc: "When a write counts as done: once the store acknowledged it, or once replicas have it.",
    }),
    maxValueBytes: bytes({
      min: 1,
      max: MAX_VALUE_BYTES,
      default: 16 * MIB,
      doc: "Largest value, written or read, before compression.",
    }),
    batching: group(
      {
        maxSize: integer({ min: 1, max: 65_536, default: 512, unit: "operations", doc: "Operations in one batch." }),
        maxBytes: bytes({
          min: KIB,
          max: 256 * MIB,
          default: MIB,
          doc: "Keys and values in one batch; a larger value travels alone.",
        }),
        maxInFlight: integer({
          min: 1,
          max: 1024,
          default: 8,
          unit: "batches",
          doc: "Batches sent and not yet answered; on LMDB, where those that wait share a commit, there is no such bound.",
        }),
        lingerMs: duration({
          min: 0,
          max: 1000,
          default: 0,
          doc: "How long a part-filled batch waits for more; 0: it leaves in the same turn of the event loop.",
        }),
      },
      { doc: "How single operations are gathered into batches." },
    ),
    queue: group(
      {
        maxPending: integer({
          min: 1,
          max: 100_000_000,
          default: 100_000,
          unit: "operations",
          doc: "Operations called and not yet settled.",
        }),
        overflow: oneOf(["wait", "reject"], {
          default: "wait",
          doc: "What a call beyond that does: wait for room, or fail with QueueFullError.",
        }),
      },
      { doc: "The bound of pending work." },
    ),
    compression: group(
      {
        codec: oneOf(["lz4", "zstd", "snappy", "none"], { default: "lz4", doc: "How values are compressed." }),
        level: integer({
          min: 1,
          max: 19,
          default: undefined,
          doc: "Effort of zstd; the other codecs have no levels.",
        }),
        thresholdBytes: bytes({
          min: 0,
          max: MAX_VALUE_BYTES,
          default: 1024,
          doc: "Smaller values are stored as they are.",
        }),
      },
      { doc: "Compression of values." },
    ),
    checksum: oneOf(["crc32", "none"], {
      default: "crc32",
      doc: "Checksum over key, header and stored bytes of every value.",
    }),
    workers: group(
      {
        threads: integer({
          min: 0,
          max: 256,
          default: "auto",
          doc: "Threads for compression; 'auto' leaves a core to the event loop, 0 runs without.",
        }),
        offload: oneOf(["auto", "never", "always"], {
          default: "auto",
          doc: "Which batches go to the threads; 'auto' weighs it batch by batch.",
        }),
      },
      { doc: "The pool of codec threads." },
    ),
    pool: group(
      {
        min: integer({ min: 0, max: 1024, default: 1, unit: "connections", doc: "Connections kept open, on Redis." }),
        max: integer({
          min: 1,
          max: 1024,
          default: 1,
          unit: "connections",
          doc: "Connections for data at most; on PostgreSQL how many, if more than three.",
        }),
        idleMs: duration({
          min: 1,
          max: 86_400_000,
          default: 60_000,
          doc: "On Redis, a connection beyond the minimum is closed after so long without need of it.",
        }),
      },
      {
        doc: "Connections to Redis or PostgreSQL.",
        rules: [
          ({ min, max }) => (min > max ? `min must not be greater than max; got min ${min} and max ${max}` : undefined),
        ],
      },
    ),
    tls: group(
      {
        ca: string({
          default: undefined,
          maxBytes: 256 * KIB,
          doc: "Certificates of the authorities to trust, in PEM, or the path of a file that holds them; none: those that Node.js trusts.",
        }),
        cert: string({
          default: undefined,
          maxBytes: 256 * KIB,
          doc: "The client's own certificate, in PEM or a path.",
        }),
        key: string({
          default: undefined,
          maxBytes: 64 * KIB,
          secret: true,
          doc: "Its private key, in PEM or a path.",
        }),
        servername: string({
          default: undefined,
          maxBytes: 255,
          doc: "The name that the server's certificate must have; none: the host of the URL.",
        }),
        rejectUnauthorized: boolean({
          default: true,
          doc: "Whether a certificate that does not hold ends the connection; false trusts whoever answers.",
        }),
      },
      {
        doc: "TLS of rediss:// URLs. Files are read again for each connection.",
        rules: [
          ({ cert, key }) =>
            (cert === undefined) !== (key === undefined) ? "cert and key belong together" : undefined,
        ],
      },
    ),
    timeouts: group(
      {
        connectMs: duration({
          min: 1,
          max: 600_000,
          default: 5000,
          doc: "Time for the store to answer when the engine opens or reconnects.",
        }),
        operationMs: duration({
          min: 1,
          max: MAX_OPERATION_MS,
          default: 3000,
          doc: "Time from the call to its settling, unless the call gives its own.",
        }),
      },
      { doc: "Deadlines." },
    ),
    retry: group(
      {
        retries: integer({
          min: 0,
          max: 100,
          default: 3,
          doc: "Attempts after the first, for failures that certainly changed nothing.",
        }),
        baseDelayMs: duration({
          min: 0,
          max: MAX_DELAY_MS,
          default: 100,
          doc: "Wait before the first retry; it doubles with each.",
        }),
        maxDelayMs: duration({ min: 0, max: MAX_DELAY_MS, default: 5000, doc: "Longest wait between two attempts." }),
        jitter: number({
          min: 0,
          max: 1,
          default: 0.3,
          doc: "Random share of each wait, so that clients do not retry in step.",
        }),
      },
      {
        doc: "Retries of failed operations.",
        rules: [
          ({ baseDelayMs, maxDelayMs }) =>
            baseDelayMs > maxDelayMs
              ? `baseDelayMs must not be greater than maxDelayMs; got ${baseDelayMs} and ${maxDelayMs}`
              : undefined,
        ],
      },
    ),
    circuitBreaker: switchable(
      group(
        {
          failures: integer({ min: 1, max: 1_000_000, default: 10, doc: "Failures in a row that open the circuit." }),
          resetMs: duration({
            min: 1,
            max: 86_400_000,
            default: 60_000,
            doc: "Time until an open circuit lets a probe through.",
          }),
        },
        { doc: "Refuses operations at once while the store is failing; false: never." },
      ),
      { default: "on" },
    ),
    slowLog: switchable(
      group(
        {
          thresholdMs: number({
            min: 0,
            max: MAX_DELAY_MS,
            default: 100,
            unit: "ms",
            doc: "Operations that take longer are kept.",
          }),
          capacity: integer({
            min: 1,
            max: 100_000,
            default: 128,
            unit: "operations",
            doc: "How many of the latest are kept, and how many of the slowest.",
          }),
        },
        { doc: "Memory of slow operations; false: none." },
      ),
      { default: "on" },
    ),
    slo: list(
      group(
        {
          operation: oneOf([...OPERATION_NAMES, "batchGet", "batchPut", "batchDelete"], {
            default: "get",
            doc: "Which operation.",
          }),
          percentile: number({ min: 1, max: 100, default: 99, doc: "Which percentile of its latency." }),
          latencyMs: number({ min: 0.001, max: MAX_DELAY_MS, default: 1, unit: "ms", doc: "What it must stay below." }),
        },
        { doc: "One objective." },
      ),
      { max: 100, doc: "Latency objectives that slo() reports on." },
    ),
    metrics: switchable(
      group(
        {
          prefix: string({
            default: "state_",
            maxBytes: 64,
            pattern: { regex: /^[a-zA-Z_:][a-zA-Z0-9_:]*$/, meaning: "letters, digits, _ and :, no digit first" },
            doc: "Stands before every metric name.",
          }),
          labels: record(string({ default: "", maxBytes: 256, doc: "Value of the label." }), {
            name: {
              regex: /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/,
              meaning: "letters, digits and _, no digit and no __ first",
            },
            doc: "Labels that every metric carries.",
          }),
        },
        { doc: "Prometheus metrics; false: none." },
      ),
      { default: "on" },
    ),
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
    degraded: group(
      {
        reads: oneOf(["fail", "miss", "stale"], {
          default: "fail",
          doc: "What reads do when the store is away: fail, answer as if the key were absent, or with what the cache had.",
        }),
        maxStaleMs: duration({
          min: 1,
          max: MAX_TTL_MS,
          default: 60_000,
          doc: "How long ago such an answer may have been read from the store.",
        }),
      },
      { doc: "Reads while the store cannot be reached; writes always fail." },
    ),
    logger,
  },
  {
    doc: "Options of an engine.",
    rules: [
      ({ backend, replicas }) =>
        replicas.length > 0 && (backend.kind !== "postgres" || replicas.some(({ kind }) => kind !== "postgres"))
          ? "replicas are postgres:// URLs beside a postgres:// backend"
          : undefined,
      ({ cache, degraded }) =>
        degraded.reads === "stale" && cache === false ? "degraded.reads 'stale' needs a cache" : undefined,
      ({ backend, tls }) =>
        Object.values(tls).some((value) => typeof value === "string") && !("tls" in backend && backend.tls)
          ? "tls options are for rediss:// URLs"
          : undefined,
    ],
  },
);

type Table = (typeof optionTable)["fields"];

/** The rows, for those who read options from elsewhere than code. */
export const engineOptionFields: Fields = optionTable.fields;

/** Every option with its default in place, deeply frozen; only `logger` and a given driver stay as they were. */
export interface ResolvedOptions extends Settings<Table> {}

/** What `createEngine` takes: any part of the options. */
export interface EngineOptions extends SettingsInput<Table> {}

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

function missingMethod(received: unknown, methods: readonly string[]): string | undefined {
  const object = (typeof received === "object" || typeof received === "function") && received !== null ? received : {};
  return methods.find((name) => typeof Reflect.get(object, name) !== "function");
}
