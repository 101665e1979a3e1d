import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { context, metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  AggregationTemporality,
  type HistogramMetricData,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { openBackend } from "../../../src/backends/open-backend.js";
import type { OperationName } from "../../../src/backends/request.js";
import { parseBackendUrl } from "../../../src/config/backend-url.js";
import { createEngine, type Engine, StateError } from "../../../src/index.js";
import { subscribeOpenTelemetry } from "../../../src/otel/index.js";
import { FaultyDriver } from "../../support/faulty-driver.js";
import type { TestScope } from "../../support/stores.js";

const SETTINGS = { pool: { min: 1, max: 1, idleMs: 60_000 }, retry: { baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 } };

/** By the clock that batches are timed by: a timer counts from the beginning of its turn, which may be long ago. */
async function passed(ms: number): Promise<void> {
  const startedMs = performance.now();
  while (performance.now() - startedMs < ms) await delay(1);
}

interface SetUp {
  readonly engine: Engine;
  readonly driver: FaultyDriver;
  readonly unsubscribe: () => void;
  readonly tracerProvider: BasicTracerProvider;
  spans(): readonly ReadableSpan[];
  duration(): Promise<HistogramMetricData | undefined>;
}

async function setUp(t: TestScope): Promise<SetUp> {
  const spanExporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spanExporter)] });
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const unsubscribe = subscribeOpenTelemetry({ tracerProvider, meterProvider });
  const driver = new FaultyDriver(await openBackend(parseBackendUrl("memory:", "backend"), SETTINGS));
  const engine = await createEngine({ backend: driver, retry: { retries: 0 } });
  t.after(async () => {
    unsubscribe();
    await engine.close();
    await tracerProvider.shutdown();
    await meterProvider.shutdown();
  });
  return {
    engine,
    driver,
    unsubscribe,
    tracerProvider,
    spans: () => spanExporter.getFinishedSpans(),
    async duration() {
      await reader.forceFlush();
      const metrics =
        metricExporter
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
      return metrics.find(({ descriptor }) => descriptor.name === "db.client.operation.duration") as
        | HistogramMetricData
        | undefined;
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("each batch is a client span named after its operations, by the conventions for databases", async (t) => {
  const { engine, spans } = await setUp(t);
  await engine.get("a");
  await Promise.all([engine.get("a"), engine.get("b"), engine.get("c")]);
  await Promise.all([engine.get("a"), engine.put("b", "secret")]);
  await settled();
  assert.deepEqual(
    spans().map(({ name, kind, attributes }) => ({ name, kind, attributes })),
    [
      { name: "get", kind: SpanKind.CLIENT, attributes: { "db.system.name": "memory", "db.operation.name": "get" } },
      {
        name: "BATCH get",
        kind: SpanKind.CLIENT,
        attributes: {
          "db.system.name": "memory",
          "db.operation.name": "BATCH get",
          "db.operation.batch.size": 3,
        },
      },
      {
        name: "BATCH",
        kind: SpanKind.CLIENT,
        attributes: { "db.system.name": "memory", "db.operation.name": "BATCH", "db.operation.batch.size": 2 },
      },
    ],
  );
});

test("every operation of an engine has its own name, alone and with others of its kind", async (t) => {
  const { engine, spans } = await setUp(t);
  const operations: Record<OperationName, (key: string) => Promise<unknown>> = {
    get: (key) => engine.get(key),
    contains: (key) => engine.contains(key),
    put: (key) => engine.put(key, "1"),
    delete: (key) => engine.delete(key),
    setIfNotExists: (key) => engine.setIfNotExists(key, "1"),
    getAndDelete: (key) => engine.getAndDelete(key),
    compareAndSwap: (key) => engine.compareAndSwap(key, null, "1"),
    increment: (key) => engine.increment(key),
    ttl: (key) => engine.ttl(key),
    expire: (key) => engine.expire(key, 60_000),
    transaction: (key) => engine.transaction([{ type: "put", key, value: "1" }]),
  };
  for (const call of Object.values(operations)) {
    await call("a");
    await Promise.all([call("b"), call("c")]);
  }
  await Promise.all([engine.ttl("a"), engine.increment("n")]);
  await settled();
  const expected = Object.keys(operations).flatMap((name) => [name, `BATCH ${name}`]);
  assert.deepEqual(
    spans().map(({ attributes }) => attributes["db.operation.name"]),
    [...expected, "BATCH"],
  );
});

test("a span lies where the batch was in time, and has no parent whoever called", async (t) => {
  const { engine, driver, spans, tracerProvider } = await setUp(t);
  const caller = tracerProvider.getTracer("caller").startSpan("caller");
  const release = driver.holdAnswers();
  const beforeMs = Date.now();
  const read = context.with(trace.setSpan(context.active(), caller), () => engine.get("a"));
  // It has left by then, however busy the machine is.
  await new Promise((resolve) => setImmediate(resolve));
  await passed(30);
  release();
  await read;
  await settled();
  const afterMs = Date.now();
  const [span] = spans();
  const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6;
  assert.ok(ms(span!.startTime) >= beforeMs - 2 && ms(span!.endTime) <= afterMs + 2);
  assert.ok(ms(span!.duration) >= 25);
  assert.equal(span!.parentSpanContext, undefined);
  assert.notEqual(span!.spanContext().traceId, caller.spanContext().traceId);
});

test("a batch with a failed operation is a span with an error, and its duration has the error's type", async (t) => {
  const { engine, driver, spans, duration } = await setUp(t);
  driver.plan = { fate: () => "refused", turnsLate: () => 0 };
  await assert.rejects(engine.put("a", "secret"), (error) => error instanceof StateError && error.code === "BACKEND");
  await settled();
  assert.equal(spans()[0]!.status.code, SpanStatusCode.ERROR);
  assert.equal(spans()[0]!.attributes["error.type"], "BACKEND");
  const points = (await duration())!.dataPoints;
  assert.deepEqual(
    points.map(({ attributes }) => attributes),
    [{ "db.system.name": "memory", "db.operation.name": "put", "error.type": "BACKEND" }],
  );
});

test("the duration of each batch is a value of db.client.operation.duration, in seconds and the buckets advised", async (t) => {
  const { engine, driver, duration } = await setUp(t);
  for (let i = 0; i < 9; i++) await engine.get("a");
  const release = driver.holdAnswers();
  const read = engine.get("a");
  await passed(30);
  release();
  await read;
  await settled();
  const metric = (await duration())!;
  assert.equal(metric.descriptor.unit, "s");
  const [point] = metric.dataPoints;
  assert.deepEqual(point!.value.buckets.boundaries, [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]);
  assert.equal(point!.value.count, 10);
  assert.ok(point!.value.max! >= 0.025 && point!.value.max! < 60);
});

test("once unsubscribed nothing more is reported", async (t) => {
  const { engine, spans, unsubscribe } = await setUp(t);
  await engine.get("a");
  await settled();
  unsubscribe();
  await engine.get("a");
  await settled();
  assert.equal(spans().length, 1);
});

test("a service that starts its SDK after it has subscribed has its metrics", async (t) => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const unsubscribe = subscribeOpenTelemetry({ spans: false });
  const engine = await createEngine("memory:");
  t.after(async () => {
    unsubscribe();
    metrics.disable();
    await engine.close();
    await provider.shutdown();
  });
  await engine.put("before", "1");
  metrics.setGlobalMeterProvider(provider);
  await engine.put("after", "1");
  await reader.forceFlush();
  const [metric] = exporter.getMetrics()[0]!.scopeMetrics[0]!.metrics;
  assert.equal(metric!.descriptor.name, "db.client.operation.duration");
  assert.equal((metric as HistogramMetricData).dataPoints[0]!.value.count, 1);
});
