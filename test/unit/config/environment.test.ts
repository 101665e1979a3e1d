import assert from "node:assert/strict";
import { test } from "node:test";
import { describeEngineOptions } from "../../../src/engine/options.js";
import { ConfigError, readEngineOptions } from "../../../src/index.js";
import { readDocument } from "../docs/document.js";

test("a setting that is refused is said to come from its own variable", () => {
  const environment = { MILLRACE_SLOW_LOG_CAPACITY: "5", MILLRACE_SLO: '[{"operation":"nothing","latencyMs":2}]' };
  assert.throws(() => readEngineOptions({ environment }), /from MILLRACE_SLO\)/);
});

test("only words for on and off switch a group", () => {
  for (const word of ["constructor", "__proto__", "yes"]) {
    assert.throws(() => readEngineOptions({ environment: { MILLRACE_CACHE: word } }), /must be on or off/);
  }
});

test("drivers and loggers stay the objects that were given, and labels replace labels", () => {
  const logger: Record<string, unknown> = { debug() {}, info() {}, warn() {}, error() {} };
  logger.self = logger;
  const read = readEngineOptions({
    file: { name: "millrace.toml", settings: { metrics: { labels: { from: "file" } } } },
    environment: { MILLRACE_METRICS_LABELS: '{"service":"orders"}' },
    options: { logger: logger as never },
  });
  assert.equal(read.logger, logger);
  assert.deepEqual((read.metrics as { labels: unknown }).labels, { service: "orders" });
});

test("every option that is a text, a number or a switch has its variable", () => {
  const samples: Readonly<Record<string, readonly [text: string, value: unknown]>> = {
    backend: ["memory:", "memory:"],
    replicas: ["postgres://a/x, postgres://b/x", ["postgres://a/x", "postgres://b/x"]],
    defaultTtlMs: ["null", null],
    "batching.maxSize": ["9", 9],
    "workers.threads": ["auto", "auto"],
    "retry.jitter": ["0.25", 0.25],
    circuitBreaker: ["off", false],
    cache: ["on", {}],
    slo: ['[{"operation":"put","latencyMs":2}]', [{ operation: "put", latencyMs: 2 }]],
    "metrics.labels": ['{"service":"orders"}', { service: "orders" }],
  };
  for (const [path, [text, value]] of Object.entries(samples)) {
    const variable = `MILLRACE_${path
      .replace(/([a-z])([A-Z])/g, "$1_$2")
      .replace(".", "_")
      .toUpperCase()}`;
    const environment = { [variable]: text, ...(path === "replicas" ? { MILLRACE_BACKEND: "postgres://c/x" } : {}) };
    const read = path
      .split(".")
      .reduce((group: unknown, name) => (group as Record<string, unknown>)[name], readEngineOptions({ environment }));
    assert.deepEqual(read, value, variable);
  }
  assert.ok(describeEngineOptions().length > 40);
});

test("the logger, which is no text, has no variable", () => {
  assert.deepEqual(readEngineOptions({ environment: { MILLRACE_LOGGER: "console" } }), {});
});

test("the file of the document is read, its table for `serve` passed over", () => {
  const [, text] = /^```toml\n(.*?)^```$/ms.exec(readDocument("docs/command-line.md"))!;
  assert.match(text!, /^\[admin\]/m);
  const { slo, ...options } = readEngineOptions({ file: { name: "millrace.toml", text: text! } });
  assert.deepEqual(options, {
    backend: "redis://cache.local:6379/0",
    keyPrefix: "orders:",
    circuitBreaker: false,
    batching: { maxSize: 256 },
  });
  assert.equal(slo?.[0]?.percentile, 99);
  for (const text of ["admin = 5", "[admins]\nport = 1"]) {
    assert.throws(
      () => readEngineOptions({ file: { name: "a.toml", text } }),
      /^ConfigError: admins?: there is no such/,
    );
  }
});

test("an empty variable is none", () => {
  assert.deepEqual(readEngineOptions({ environment: { MILLRACE_KEY_PREFIX: "", MILLRACE_CACHE: "" } }), {});
});

test("what a variable sets inside a group leaves the rest of the file's group as it is", () => {
  const options = readEngineOptions({
    file: { name: "a.toml", text: "[retry]\nretries = 5\nbaseDelayMs = 50\n" },
    environment: { MILLRACE_RETRY_BASE_DELAY_MS: "70" },
    options: { retry: { jitter: 0 } },
  });
  assert.deepEqual(options, { retry: { retries: 5, baseDelayMs: 70, jitter: 0 } });
});

test("a group that the file turns off is on again with an option of a later place", () => {
  const options = readEngineOptions({
    file: { name: "a.toml", text: "circuitBreaker = false\n" },
    environment: { MILLRACE_CIRCUIT_BREAKER_FAILURES: "3" },
  });
  assert.deepEqual(options, { circuitBreaker: { failures: 3 } });
});

test("a name that reaches for a prototype is refused like any other", () => {
  for (const text of ["[__proto__]\npolluted = 1\n", "constructor = 1\n"]) {
    assert.throws(() => readEngineOptions({ file: { name: "a.toml", text } }), ConfigError);
  }
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test("a rule between options names the place of one of them", () => {
  assert.throws(
    () => readEngineOptions({ environment: { MILLRACE_POOL_MIN: "9" } }),
    (error) => error instanceof ConfigError && /min must not be greater.*from MILLRACE_POOL_MIN/.test(error.message),
  );
});
