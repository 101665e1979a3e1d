import { describeEngineOptions } from "../../../src/engine/options.js";

/** The table of all options as it stands in docs/tuning.md. */
export function optionsTable(): string {
  const rows = describeEngineOptions().map(({ path, type, default: fallback, limits, doc }) => {
    return [`\`${path}\``, type, fallback === "" ? "" : `\`${fallback}\``, limits, doc];
  });
  const lines = rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
  return ["| option | type | default | limits | meaning |", "| --- | --- | --- | --- | --- |", ...lines, ""].join("\n");
}
