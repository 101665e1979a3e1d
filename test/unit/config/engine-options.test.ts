import assert from "node:assert/strict";
import { test } from "node:test";
import type { Driver, Logger } from "../../../src/backends/contract.js";
import { ConfigError } from "../../../src/core/errors.js";
import {
  describeEngineOptions,
  type EngineOptions,
  parseEngineOptions,
  redactEngineOptions,
} from "../../../src/engine/options.js";

const ignore = (): void => {};
const logger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function complaintAbout(input: unknown): string {
  try {
    parseEngineOptions(input as EngineOptions);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.reason, "ERR_CONFIG");
    assert.equal(error.outcome, "not-applied");
    return error.message;
  }
  assert.fail("the input was taken");
}

test("an engine without options has the documented defaults", () => {
  const { logger: silent, ...options } = parseEngineOptions(undefined);
  assert.deepEqual(options, {
    backend: { kind: "lmdb", path: "./.millrace" },
    replicas: [],
    replicaLagMs: 1000,
    keyPrefix: "state:",
    defaultTtlMs: null,
    durability: "ack",
    maxValueBytes: 16 * 1024 * 1024,
    batching: { maxSize: 512, maxBytes: 1024 * 1024, maxInFlight: 8, lingerMs: 0 },
    queue: { maxPending: 100_000, maxBytes: 512 * 1024 * 1024, overflow: "wait" },
    compression: { codec: "lz4", level: undefined, thresholdBytes: 1024 },
    checksum: "crc32",
    workers: { threads: "auto", offload: "auto" },
    pool: { min: 1, max: 1, idleMs: 60_000, busyPollMs: 0.05 },
    tls: { ca: undefined, cert: undefined, key: undefined, servername: undefined, rejectUnauthorized: true },
    timeouts: { connectMs: 5000, operationMs: 3000 },
    retry: { retries: 3, baseDelayMs: 100, maxDelayMs: 5000, jitter: 0.3 },
    circuitBreaker: { failures: 10, resetMs: 60_000 },
    slowLog: { thresholdMs: 100, capacity: 128 },
    slo: [],
    metrics: { prefix: "state_", labels: {} },
    cache: false,
    degraded: { reads: "fail", maxStaleMs: 60_000 },
  });
  silent.error({}, "goes nowhere");
});

test("a string is the backend's URL", () => {
  assert.deepEqual(parseEngineOptions("memory:"), parseEngineOptions({ backend: "memory:" }));
});

test("each group can be given in part, and the optional ones switched off", () => {
  const options = parseEngineOptions({
    backend: "redis://cache",
    batching: { maxSize: 1 },
    circuitBreaker: false,
    slowLog: false,
    metrics: false,
    cache: {},
    slo: [{ operation: "batchGet", percentile: 99.9, latencyMs: 0.5 }],
    compression: { codec: "zstd", level: 19 },
    workers: { threads: 0 },
    defaultTtlMs: 60_000,
  });
  assert.deepEqual(options.batching, { maxSize: 1, maxBytes: 1_048_576, maxInFlight: 8, lingerMs: 0 });
  assert.deepEqual([options.circuitBreaker, options.slowLog, options.metrics], [false, false, false]);
  assert.deepEqual(options.cache, { maxBytes: 64 * 1_048_576, ttlMs: 1000 });
  assert.deepEqual(options.compression, { codec: "zstd", level: 19, thresholdBytes: 1024 });
});

test("a driver is passed on as it is, not frozen, and so is what is logged", () => {
  const driver = {
    name: "mine",
    open: async () => {},
    execute: ignore,
    scan: async function* () {},
    clear: async () => 0,
    health: ignore,
    memoryUsage: async () => 0,
    serverInfo: async () => ({}),
    connections: () => ({ active: 0, idle: 0 }),
    close: async () => {},
  } as unknown as Driver;
  const lines: unknown[] = [];
  const given = { ...logger, warn: (...line: unknown[]) => void lines.push(line) };
  const options = parseEngineOptions({ backend: driver, logger: given });
  assert.equal(options.backend.kind === "driver" && options.backend.driver, driver);
  options.logger.warn({ a: 1 }, "text");
  assert.deepEqual(lines, [[{ a: 1 }, "text"]]);
  assert.ok(!Object.isFrozen(driver) && !Object.isFrozen(given));
  assert.ok(Object.isFrozen(options) && Object.isFrozen(options.batching) && Object.isFrozen(options.backend));
});

test("a logger that throws is told of once, by a warning of the process, and does no harm", async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  t.after(() => void process.off("warning", onWarning));
  class Broken implements Logger {
    readonly #reason = "the stream is gone";
    debug = ignore;
    info = ignore;
    warn(): void {
      throw new Error(this.#reason);
    }
    error(): void {
      throw new Error(this.#reason);
    }
  }
  const options = parseEngineOptions({ logger: new Broken() });
  for (const level of ["warn", "error", "warn", "info"] as const) options.logger[level]({}, "line");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!.message, /logger threw.*the stream is gone/);
});

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  [
    "two objectives that are one",
    { slo: [{ latencyMs: 1 }, { latencyMs: 2 }, { operation: "get", percentile: 99, latencyMs: 1 }] },
    /^slo\[2\]: must differ from the others; get p99 <= 1 ms is there already/,
  ],
  ["a URL of a foreign scheme", "http://cache", /^backend: must be a URL.*got "http:"$/],
  ["a URL without a host", { backend: "redis://:6379" }, /^backend: each host/],
  ["a mistyped option", { maxRetrys: 3 }, /^maxRetrys: there is no such option; did you mean retry\?$/],
  ["a mistyped nested option", { retry: { maxRetries: 3 } }, /did you mean retry\.retries\?$/],
  ["an option one level too high", { maxPending: 3 }, /did you mean queue\.maxPending\?$/],
  ["negative retries", { retry: { retries: -1 } }, /^retry\.retries: must be a whole number in 0\.\.100; got -1$/],
  ["endless retries", { retry: { retries: Infinity } }, /got Infinity$/],
  ["delays in the wrong order", { retry: { baseDelayMs: 9, maxDelayMs: 8 } }, /^retry: baseDelayMs .* got 9 and 8$/],
  ["jitter above one", { retry: { jitter: 1.1 } }, /^retry\.jitter: must be a number in 0\.\.1; got 1\.1$/],
  ["a pool whose minimum is above its maximum", { pool: { min: 5, max: 2 } }, /^pool: .* got min 5 and max 2$/],
  ["a timeout of 0", { timeouts: { operationMs: 0 } }, /^timeouts\.operationMs: .*in 1\.\.1800000; got 0$/],
  ["a timeout of NaN", { timeouts: { connectMs: Number.NaN } }, /^timeouts\.connectMs: .* got NaN$/],
  ["a level no codec has", { compression: { level: 100 } }, /^compression\.level: .*in 1\.\.19; got 100$/],
  ["a level beside a codec without", { compression: { level: 3 } }, /^compression: level is for .* codec 'lz4'$/],
  ["a level of NaN", { compression: { level: Number.NaN } }, /^compression\.level: .* got NaN$/],
  ["an unknown codec", { compression: { codec: "gzip" } }, /^compression\.codec: must be one of 'lz4'.* got "gzip"$/],
  ["a negative threshold", { compression: { thresholdBytes: -1 } }, /^compression\.thresholdBytes: .* got -1$/],
  ["a lifetime of 0", { defaultTtlMs: 0 }, /^defaultTtlMs: must be null or .* in 1\.\.315360000000; got 0$/],
  ["a lifetime beyond ten years", { defaultTtlMs: 315_360_000_001 }, /got 315360000001$/],
  ["a lifetime in fractions", { defaultTtlMs: 1.5 }, /got 1\.5$/],
  ["a value limit beyond what Redis takes", { maxValueBytes: 2 ** 30 }, /^maxValueBytes: .* got 1073741824$/],
  ["one that leaves no room for a value's header", { maxValueBytes: 2 ** 29 }, /^maxValueBytes: .* got 536870912$/],
  [
    "an object that is no driver",
    { backend: {} },
    /^backend: must be a URL as a string, or a Driver; got an object without open\(\)$/,
  ],
  ["a backend of null", { backend: null }, /got null/],
  ["a function as logger", { logger: console.log }, /^logger: .* got a function without debug\(\)$/],
  ["a metric prefix that is no name", { metrics: { prefix: "a-b" } }, /^metrics\.prefix: /],
  ["a label name Prometheus keeps for itself", { metrics: { labels: { __name__: "x" } } }, /^metrics\.labels: /],
  ["an objective for an unknown operation", { slo: [{ operation: "fly" }] }, /^slo\[0\]\.operation: /],
  ["replicas beside a store without", { backend: "memory:", replicas: ["postgres://a/b"] }, /^replicas are /],
  ["a lag of replicas without replicas", { replicaLagMs: 5000 }, /^replicaLagMs needs replicas$/],
  [
    "certificates unchecked where there is no TLS",
    { backend: "redis://a", tls: { rejectUnauthorized: false } },
    /^tls options are for rediss:\/\/ URLs$/,
  ],
  ["null for all options", null, /must be a plain object of options; got null$/],
];

for (const [what, input, message] of refused) {
  test(`refuses ${what}`, () => {
    assert.match(complaintAbout(input), message);
  });
}

test("a dump names the backend without its password", () => {
  const options = parseEngineOptions({
    backend: "postgres://ann:hunter2@db/app?password=hunter2",
    replicas: ["postgres://ann:hunter2@db2/app"],
    logger,
  });
  const dump = JSON.stringify(redactEngineOptions(options));
  assert.doesNotMatch(dump, /hunter2/);
  assert.match(dump, /"backend":"postgres:\/\/db\/app"/);
  assert.match(dump, /"replicas":\["postgres:\/\/db2\/app"\]/);
  assert.match(dump, /"logger":"given"/);
});

test("every option has a sentence, and every row a path of its own", () => {
  const rows = describeEngineOptions();
  assert.equal(new Set(rows.map(({ path }) => path)).size, rows.length);
  for (const { path, doc } of rows) assert.match(doc, /^[A-Z].*\.$/, path);
  assert.equal(rows.find(({ path }) => path === "maxValueBytes")?.default, "16 MiB");
});
