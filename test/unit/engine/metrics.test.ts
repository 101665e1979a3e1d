import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import { Registry } from "prom-client";
import { createEngine, type Engine, type EngineOptions, StateError } from "../../../src/index.js";
import { type ParsedMetric, parsePrometheusText } from "../../support/prometheus-text.js";
import type { TestScope } from "../../support/stores.js";

async function open(t: TestScope, options: EngineOptions = {}): Promise<Engine> {
  const engine = await createEngine({ backend: "memory:", ...options });
  t.after(() => engine.close());
  return engine;
}

async function scrape(engine: Engine): Promise<Map<string, ParsedMetric>> {
  return parsePrometheusText(await engine.metrics.metrics());
}

function sampleOf(metrics: Map<string, ParsedMetric>, name: string, labels: Record<string, string> = {}): number {
  const base = name.replace(/_(bucket|sum|count)$/, "");
  const samples = (metrics.get(name) ?? metrics.get(base))?.samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  assert.equal(samples?.length, 1, `${name} ${JSON.stringify(labels)}`);
  return samples![0]!.value;
}

function sumOf(metrics: Map<string, ParsedMetric>, name: string): number {
  return metrics.get(name)!.samples.reduce((sum, { value }) => sum + value, 0);
}

async function someLoad(engine: Engine): Promise<void> {
  const keys = Array.from({ length: 200 }, (_, index) => `key:${index}`);
  await Promise.all(keys.map((key) => engine.put(key, "x".repeat(2000))));
  await Promise.all(keys.map((key) => engine.get(key)));
  await engine.get("nobody");
  await engine.batchGet(keys.slice(0, 50));
  await engine.delete("key:0");
  await assert.rejects(engine.increment("key:1"), StateError);
}

test("before anything has happened the metrics parse and all counters are zero", async (t) => {
  const metrics = await scrape(await open(t));
  assert.ok(metrics.size > 20);
  for (const { type, samples, name } of metrics.values()) {
    if (type === "counter") for (const { value } of samples) assert.equal(value, 0, name);
  }
});

test("metrics say the same as stats()", async (t) => {
  const engine = await open(t);
  await someLoad(engine);
  const stats = engine.stats();
  const metrics = await scrape(engine);
  assert.equal(sumOf(metrics, "state_operations_total"), stats.operationsTotal);
  assert.equal(sampleOf(metrics, "state_operations_total", { operation: "get", status: "success" }), 251);
  assert.equal(sampleOf(metrics, "state_operations_total", { operation: "increment", status: "error" }), 1);
  assert.equal(sumOf(metrics, "state_errors_total"), stats.operationsFailed);
  assert.equal(
    sampleOf(metrics, "state_operation_duration_seconds_count", { operation: "get" }),
    stats.latency.get!.count,
  );
  assert.equal(sampleOf(metrics, "state_operation_duration_seconds_count", { operation: "batchGet" }), 1);
  for (const phase of ["queue", "codec", "store", "decode"]) {
    const labels = { operation: "batchGet", phase };
    assert.equal(sampleOf(metrics, "state_operation_phase_duration_seconds_count", labels), 50);
  }
  assert.equal(sampleOf(metrics, "state_batches_total"), stats.batches);
  assert.equal(sampleOf(metrics, "state_batch_size_count"), stats.batches);
  const meanBatch = sampleOf(metrics, "state_batch_size_sum") / stats.batches;
  assert.ok(Math.abs(meanBatch - stats.averageBatchSize) <= stats.averageBatchSize * 0.004);
  assert.equal(sampleOf(metrics, "state_cache_hit_rate"), stats.hitRate);
  assert.equal(sampleOf(metrics, "state_compression_ratio"), stats.compressionRatio);
  assert.ok(stats.compressionRatio > 2);
  assert.equal(sampleOf(metrics, "state_circuit_breaker_state"), 0);
  assert.equal(sampleOf(metrics, "state_pending_operations"), 0);
  assert.equal(sampleOf(metrics, "state_inflight_batches"), 0);
});

test("of the tier and of degraded reads the metrics say the same as stats()", async (t) => {
  const engine = await createEngine({ backend: "memory:", cache: { maxBytes: 100_000, ttlMs: 3_600_000 } });
  t.after(() => engine.close());
  await engine.put("key", "value");
  for (let i = 0; i < 4; i++) await engine.get("key");
  const { cache, degraded } = engine.stats();
  const metrics = await scrape(engine);
  const tier = (name: string): number => sampleOf(metrics, `state_tier_${name}`);
  assert.deepEqual([tier("hits_total"), tier("misses_total"), tier("fills_total"), tier("entries")], [3, 1, 1, 1]);
  assert.equal(tier("hit_ratio"), 0.75);
  assert.equal(tier("shared_reads_total"), cache!.shared);
  assert.deepEqual([tier("bytes"), tier("bytes_limit")], [cache!.bytes, 100_000]);
  const states = ["changes", "time", "down"];
  assert.deepEqual(
    states.map((state) => sampleOf(metrics, "state_tier_invalidation", { state })),
    states.map((state) => (state === cache!.invalidation ? 1 : 0)),
  );
  for (const answer of ["absent", "stale"] as const) {
    const counted = answer === "absent" ? degraded.answeredAbsent : degraded.answeredStale;
    assert.equal(sampleOf(metrics, "state_degraded_reads_total", { answer }), counted);
  }
});

test("a histogram's sum and buckets agree with the percentiles of stats()", async (t) => {
  const engine = await open(t);
  await someLoad(engine);
  const { count, meanUs, p50Us } = engine.stats().latency.put!;
  const metrics = await scrape(engine);
  const name = "state_operation_duration_seconds";
  const sumUs = sampleOf(metrics, `${name}_sum`, { operation: "put" }) * 1e6;
  assert.ok(Math.abs(sumUs - count * meanUs) <= 0.005 * sumUs + count);
  const below = metrics
    .get(name)!
    .samples.filter((sample) => sample.name === `${name}_bucket` && sample.labels.operation === "put")
    .find((sample) => Number(sample.labels.le?.replace("+Inf", "Infinity")) * 1e6 >= p50Us * 1.01);
  assert.ok(below!.value >= count / 2);
});

test("the output passes the checks of promtool where that is installed", async (t) => {
  const engine = await open(t, { slo: [{ operation: "get", percentile: 99, latencyMs: 1 }] });
  await someLoad(engine);
  const text = await engine.metrics.metrics();
  parsePrometheusText(text);
  if (spawnSync("promtool", ["--version"]).error !== undefined) {
    t.diagnostic("promtool is not on the PATH: our own parser alone has read the output");
    return;
  }
  execFileSync("promtool", ["check", "metrics"], { input: text, stdio: ["pipe", "pipe", "pipe"] });
});

test("the parser of this test refuses what a scrape would", () => {
  const good = "# HELP a_total x\n# TYPE a_total counter\na_total 1\n";
  assert.equal(parsePrometheusText(good).size, 1);
  const histogram = (buckets: string): string => `# HELP h x\n# TYPE h histogram\n${buckets}h_sum 1\nh_count 2\n`;
  parsePrometheusText(histogram('h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\n'));
  for (const bad of [
    good.slice(0, -1),
    `${good}a_total 2\n`,
    good.replace("counter", "count"),
    good.replace("a_total 1", "b_total 1"),
    good.replace("a_total 1", "a_total -1"),
    good.replace("a_total 1", "a_total one"),
    good.replace("a_total 1", 'a_total{x="a"y="b"} 1'),
    histogram('h_bucket{le="1"} 3\nh_bucket{le="+Inf"} 2\n'),
    histogram('h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 3\n'),
    histogram('h_bucket{le="1"} 1\n'),
  ]) {
    assert.throws(() => parsePrometheusText(bad), Error, bad);
  }
});

test("prefix and labels are those of the options, and labels are escaped", async (t) => {
  const engine = await open(t, { metrics: { prefix: "redis_", labels: { service: 'the "orders"\n' } } });
  const metrics = await scrape(engine);
  assert.ok([...metrics.keys()].every((name) => name.startsWith("redis_")));
  for (const name of ["redis_operations_total", "redis_pool_connections_active", "redis_circuit_breaker_state"]) {
    assert.ok(metrics.has(name), name);
  }
  for (const { samples } of metrics.values()) {
    for (const { labels } of samples) assert.equal(labels.service, 'the "orders"\n');
  }
});

test("each engine has a registry of its own, and registries can be merged when their prefixes differ", async (t) => {
  const one = await open(t, { metrics: { prefix: "one_" } });
  const other = await open(t, { metrics: { prefix: "other_" } });
  await one.put("a", "1");
  assert.equal(sumOf(await scrape(one), "one_operations_total"), 1);
  assert.equal(sumOf(await scrape(other), "other_operations_total"), 0);
  const merged = parsePrometheusText(await Registry.merge([one.metrics, other.metrics]).metrics());
  assert.equal(merged.size, 2 * (await scrape(one)).size);
  assert.equal(one.namespace("n:").metrics, one.metrics);
});

test("merged into another registry the metrics keep the labels of the options", async (t) => {
  const one = await open(t, { metrics: { prefix: "one_", labels: { service: "orders" } } });
  await one.put("a", "1");
  const merged = parsePrometheusText(await Registry.merge([one.metrics]).metrics());
  for (const { samples } of merged.values()) {
    for (const { labels } of samples) assert.equal(labels.service, "orders");
  }
  assert.ok(sumOf(merged, "one_operations_total") === 1 && merged.size > 20);
});

test("default labels may be numbers, as prom-client takes them", async (t) => {
  const engine = await open(t);
  engine.metrics.setDefaultLabels({ shard: 3 });
  for (const { samples } of (await scrape(engine)).values()) {
    for (const { labels } of samples) assert.equal(labels.shard, "3");
  }
});

test("without metrics the registry is empty", async (t) => {
  const engine = await open(t, { metrics: false });
  await engine.put("a", "1");
  assert.equal((await engine.metrics.metrics()).trim(), "");
});

test("however many keys there are, the number of series stays the same, and no key or value is among them", async (t) => {
  const engine = await open(t);
  const seriesOf = (metrics: Map<string, ParsedMetric>): number =>
    [...metrics.values()].reduce((sum, { samples }) => sum + samples.length, 0);
  await engine.put("secret-key-0", "secret-value");
  const before = seriesOf(await scrape(engine));
  await Promise.all(Array.from({ length: 2000 }, (_, index) => engine.put(`secret-key-${index}`, "secret-value")));
  assert.equal(seriesOf(await scrape(engine)), before);
  assert.ok(!(await engine.metrics.metrics()).includes("secret"));
});

test("the tier in this process has its counts, where there is one", async (t) => {
  const without = await scrape(await open(t));
  assert.deepEqual(without.get("state_tier_hits_total")!.samples, []);
  const engine = await open(t, { cache: { maxBytes: 1 << 20, ttlMs: 60_000 } });
  await engine.put("a", "1");
  for (let i = 0; i < 5; i++) await engine.get("a");
  const { cache, latency } = engine.stats();
  const metrics = await scrape(engine);
  assert.equal(cache!.hits, 4);
  assert.equal(sampleOf(metrics, "state_tier_hits_total"), 4);
  assert.equal(sampleOf(metrics, "state_tier_misses_total"), cache!.misses);
  assert.equal(sampleOf(metrics, "state_tier_entries"), 1);
  assert.equal(latency.get!.count, 5);
});

test("objectives have their gauges", async (t) => {
  const engine = await open(t, { slo: [{ operation: "put", percentile: 50, latencyMs: 3000 }] });
  await engine.put("a", "1");
  const metrics = await scrape(engine);
  const labels = { operation: "put", percentile: "50", latency_ms: "3000" };
  assert.equal(sampleOf(metrics, "state_slo_compliance_ratio", labels), 1);
  assert.equal(sampleOf(metrics, "state_slo_objective_ratio", labels), 0.5);
  assert.equal(sampleOf(metrics, "state_slo_error_budget_remaining_ratio", labels), 1);
  for (const window of ["5m", "30m", "1h", "6h", "3d"]) {
    assert.equal(sampleOf(metrics, "state_slo_burn_rate", { ...labels, window }), 0);
  }
});
