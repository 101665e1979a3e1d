import type { Engine } from "../../../src/index.js";

/** The table of all metrics as it stands in docs/observability.md, from a registry. */
export function metricsTable(registry: Engine["metrics"]): string {
  const rows = registry.getMetricsAsArray().map((metric) => {
    const { name, type, help, labelNames } = metric as unknown as Row;
    const labels = labelNames.map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
  });
  return ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |", ...rows, ""].join("\n");
}

interface Row {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}
