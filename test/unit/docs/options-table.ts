import { describeEngineOptions } from "../../../src/engine/options.js";

/** Options that are checked and change nothing in this release, with all below them. */
export const WITHOUT_EFFECT: readonly string[] = ["durability"];

/** The table of all options as it stands in docs/tuning.md. */
export function optionsTable(): string {
  const rows = describeEngineOptions().map(({ path, type, default: fallback, limits, doc }) => {
    const effect = isWithoutEffect(path) ? " *No effect yet.*" : "";
    return [`\`${path}\``, type, fallback === "" ? "" : `\`${fallback}\``, limits, doc + effect];
  });
  const lines = rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
  return ["| option | type | default | limits | meaning |", "| --- | --- | --- | --- | --- |", ...lines, ""].join("\n");
}

function isWithoutEffect(path: string): boolean {
  return WITHOUT_EFFECT.some((name) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[]`));
}
