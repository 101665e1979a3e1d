import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CHANNEL_NAMES, createEngine } from "../../../src/index.js";
import { ROOT, readDocument, section, tableRows } from "./document.js";
import { metricsTable } from "./metrics-table.js";

const OBSERVABILITY = readDocument("docs/observability.md");

test("docs/observability.md lists the metrics of the registry (node dist/test/unit/docs/write-metrics-table.js)", async (t) => {
  const engine = await createEngine("memory:");
  t.after(() => engine.close());
  assert.equal(section(OBSERVABILITY, "metrics"), metricsTable(engine.metrics));
});

test("docs/observability.md lists the diagnostics channels with their messages", () => {
  const source = readFileSync(join(ROOT, "src/observability/channels.ts"), "utf8");
  const declared = [...source.matchAll(/^ {2}"(millrace:[a-z:]+)": (\w+);$/gm)].map(([, name, message]) => [
    name,
    message,
  ]);
  assert.deepEqual(
    declared.map(([name]) => name),
    CHANNEL_NAMES,
  );
  const documented = tableRows(section(OBSERVABILITY, "channels")).map(([name, message]) => [name, message]);
  assert.deepEqual(documented, declared);
});
