import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import { createAdminServer, createEngine } from "../../../src/index.js";
import { findOnPath, temporaryFolder } from "../../../src/testing/index.js";
import { ROOT, readDocument } from "../../unit/docs/document.js";

const RULES = "deploy/monitoring/rules/millrace.rules.yml";
const RULE_TESTS = "deploy/monitoring/rules/millrace.test.yml";
const DASHBOARD = "deploy/monitoring/grafana/dashboards/millrace.json";
/** Labels that Prometheus adds to whatever it scrapes, and the upper bound of a bucket. */
const OUTER_LABELS = ["job", "instance", "le"];
const run = promisify(execFile);

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly Target[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

const dashboard = JSON.parse(readDocument(DASHBOARD)) as Dashboard;
/** What `deploy/monitoring` may speak of: the names in a real registry, with each label and its values. */
const real = new Map<string, Map<string, Set<string>>>();

before(async () => {
  const cache = { maxBytes: 1024 * 1024, ttlMs: 1000 };
  const slo = [{ operation: "get", percentile: 99, latencyMs: 1 }] as const;
  const engine = await createEngine({ backend: "memory:", cache, slo });
  await engine.put("key", "value");
  await engine.get("key");
  const metrics = await engine.metrics.getMetricsAsJSON();
  await engine.close();
  for (const metric of metrics) {
    for (const sample of metric.values) {
      const name = (sample as { readonly metricName?: string }).metricName ?? metric.name;
      const labels = real.get(name) ?? new Map<string, Set<string>>();
      real.set(name, labels);
      for (const [label, value] of Object.entries(sample.labels)) {
        labels.set(label, (labels.get(label) ?? new Set()).add(String(value)));
      }
    }
  }
  assert.ok(real.size > 25);
});

/** Complaints about names, labels and values of labels that no engine exports. */
function unknownIn(text: string): string[] {
  const found: string[] = [];
  for (const [, name, selector = ""] of text.matchAll(/\b(state_[a-z0-9_]+)(\{[^}]*\})?/g)) {
    const labels = real.get(name!);
    if (labels === undefined) {
      found.push(name!);
      continue;
    }
    for (const [, label, operator, value] of selector.matchAll(/(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"/g)) {
      if (OUTER_LABELS.includes(label!)) continue;
      const values = labels.get(label!);
      if (values === undefined) found.push(`${name}{${label}}`);
      else if (!value!.startsWith("$") && operator !== "!=") {
        const alternatives = operator === "=~" ? value!.split("|") : [value!];
        for (const alternative of alternatives) {
          if (!values.has(alternative)) found.push(`${name}{${label}="${alternative}"}`);
        }
      }
    }
  }
  const known = new Set([...OUTER_LABELS, ...[...real.values()].flatMap((labels) => [...labels.keys()])]);
  for (const [, list] of text.matchAll(/\b(?:by|on|ignoring|without) ?\(([^)]*)\)/g)) {
    found.push(
      ...list!
        .split(",")
        .map((label) => label.trim())
        .filter((label) => !known.has(label)),
    );
  }
  for (const [, label] of text.matchAll(/\{\{ ?(?:\$labels\.)?(\w+) ?\}\}/g)) {
    if (!known.has(label!)) found.push(`{{${label}}}`);
  }
  return found;
}

test("the check itself finds a name, a label, a value and a grouping that do not exist", () => {
  assert.deepEqual(unknownIn("rate(state_operation_total[5m])"), ["state_operation_total"]);
  assert.deepEqual(unknownIn('state_operations_total{kind="get"}'), ["state_operations_total{kind}"]);
  assert.deepEqual(unknownIn('state_slo_burn_rate{window=~"1h|2h"}'), ['state_slo_burn_rate{window="2h"}']);
  assert.deepEqual(unknownIn("sum by (job, pod) (state_pending_operations)"), ["pod"]);
});

test("alert rules speak only of metrics that an engine exports", () => {
  // The first line of the file is a comment on prefixes.
  const rules = readDocument(RULES).replace(/^#.*$/gm, "");
  assert.deepEqual(unknownIn(rules), []);
  const recorded = new Set([...rules.matchAll(/record: (\S+)/g)].map(([, name]) => name));
  const used = [...rules.matchAll(/\bmillrace:[a-z0-9_:]+/g)].map(([name]) => name);
  assert.deepEqual(
    used.filter((name) => !recorded.has(name)),
    [],
  );
});

test("there are alerts for what an on-call person must know, each with a severity and a sentence", () => {
  const rules = readDocument(RULES);
  const alerts = rules.split(/^ {6}- alert: /m).slice(1);
  const names = alerts.map((alert) => alert.split("\n", 1)[0]);
  for (const name of [
    ...["MillraceCircuitOpen", "MillraceHighErrorRate", "MillraceHighLatency", "MillraceBudgetBurnsFast"],
    ...["MillraceBudgetBurnsSlowly", "MillracePendingNearLimit", "MillraceEventLoopLag", "MillracePoolExhausted"],
    ...["MillraceRetryStorm", "MillraceHitRateDrop", "MillraceTargetDown"],
  ]) {
    assert.ok(names.includes(name), name);
  }
  for (const alert of alerts) {
    assert.match(alert, /severity: (page|ticket)/);
    assert.match(alert, /summary: "?\S/);
    assert.match(alert, /description: \S/);
  }
});

test("the dashboard speaks only of metrics that an engine exports, and shows all of them but what others contain", () => {
  const expressions = expressionsOf(dashboard);
  assert.ok(expressions.length > 25);
  const texts = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ legendFormat }) => legendFormat));
  assert.deepEqual(unknownIn([...expressions, ...texts].join("\n")), []);
  const shown = new Set(expressions.flatMap((text) => [...text.matchAll(/\bstate_[a-z0-9_]+/g)].map(([name]) => name)));
  const family = (name: string): string => name.replace(/_(bucket|sum|count)$/, "");
  const families = new Set([...shown].map((name) => family(name)));
  const left = [...real.keys()].map((name) => family(name)).filter((name) => !families.has(name));
  // The dashboard computes it over time from hits and misses.
  assert.deepEqual([...new Set(left)], ["state_cache_hit_rate"]);
});

function expressionsOf({ panels, templating, annotations }: Dashboard): string[] {
  return [
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...templating.list.flatMap(({ definition }) => (definition === undefined ? [] : [definition])),
    ...annotations.list.map(({ expr }) => expr),
  ];
}

const promtool = await findOnPath(["promtool"]);
if (promtool !== null) {
  const check = async (...args: string[]): Promise<void> => {
    const { stdout, stderr } = await run(promtool, args, { cwd: ROOT }).catch((error: Error & { stderr: string }) => {
      throw new Error(`promtool ${args.join(" ")}: ${error.message}\n${error.stderr}`);
    });
    assert.doesNotMatch(stdout + stderr, /FAILED|error/i);
  };

  test("promtool accepts the rules and the configuration", async () => {
    await check("check", "rules", RULES);
    await check("check", "config", "--syntax-only", "deploy/monitoring/prometheus.yml");
  });

  test("alerts go off when they should and not otherwise", () => check("test", "rules", RULE_TESTS));

  test("promtool accepts every expression of the dashboard", async (t) => {
    const folder = await temporaryFolder();
    t.after(() => folder.remove());
    const expressions = expressionsOf(dashboard)
      .filter((text) => !text.startsWith("label_values("))
      .map((text) => text.replaceAll("$__rate_interval", "5m"));
    const rules = expressions.map((expr, index) => ({ record: `panel:${index}`, expr }));
    const file = join(folder.path, "panels.json");
    // JSON is YAML.
    await writeFile(file, JSON.stringify({ groups: [{ name: "panels", rules }] }));
    await check("check", "rules", "--lint=none", file);
  });

  test("promtool accepts what /metrics answers", async () => {
    const engine = await createEngine({
      backend: "memory:",
      slo: [{ operation: "get" }],
      metrics: { labels: { a: 'x"\\' } },
    });
    const admin = await createAdminServer(engine);
    await engine.put("key", "value");
    const text = await (await fetch(`${admin.url}/metrics`)).text();
    await admin.close();
    await engine.close();
    const checked = run(promtool, ["check", "metrics"]);
    checked.child.stdin?.end(text);
    const { stdout, stderr } = await checked;
    assert.equal(stdout + stderr, "");
  });
}
