// Writes the table of metrics into docs/observability.md: node dist/test/unit/docs/write-metrics-table.js
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createEngine } from "../../../src/index.js";
import { ROOT, readDocument, withSection } from "./document.js";
import { metricsTable } from "./metrics-table.js";

const path = "docs/observability.md";
const engine = await createEngine("memory:");
writeFileSync(join(ROOT, path), withSection(readDocument(path), "metrics", metricsTable(engine.metrics)));
await engine.close();
