import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./process.mjs";

/**
 * Has editors say what each option means. The compiler derives `EngineOptions` and the interfaces of its groups from the
 * option table, whose texts are no comments; here the declarations get the same types written out, each option with its
 * text.
 */
export async function documentOptions() {
  const compiled = join(root, "dist", "src", "engine", "options");
  const { describeEngineOptions } = await import(pathToFileURL(`${compiled}.js`).href);
  let declarations = readFileSync(`${compiled}.d.ts`, "utf8");
  for (const { name, text } of writtenOut(describeEngineOptions())) {
    const derived = new RegExp(`export interface ${name} extends \\S+ \\{\\s*\\}`);
    if (!derived.test(declarations)) throw new Error(`src/engine/options.ts has no interface ${name} of this form`);
    declarations = declarations.replace(derived, () => text);
  }
  writeFileSync(`${compiled}.d.ts`, declarations);
}

/** @param rows as `describeEngineOptions` gives them: each group before its own */
export function writtenOut(rows) {
  const groups = new Map([["", { name: "EngineOptions", type: "SettingsInput<Table>", lines: [] }]]);
  for (const row of rows) {
    const dot = row.path.lastIndexOf(".");
    const parent = groups.get(row.path.slice(0, Math.max(dot, 0)));
    const name = row.path.slice(dot + 1);
    const given = `${parent.type}["${name}"]`;
    parent.lines.push(...comment(row));
    if (!/\bgroup\b/.test(row.type)) {
      parent.lines.push(`    readonly ${name}?: ${given};`);
      continue;
    }
    const group = { name: `${nameOf(row.path)}Options`, type: `Exclude<${given}, false | undefined>`, lines: [] };
    const isList = row.type.startsWith("list");
    if (isList) group.type += "[number]";
    groups.set(isList ? `${row.path}[]` : row.path, group);
    const off = row.type.endsWith("| false") ? " | false" : "";
    parent.lines.push(`    readonly ${name}?: ${isList ? `readonly ${group.name}[]` : group.name}${off} | undefined;`);
  }
  return [...groups.values()].map(({ name, lines }) => ({
    name,
    text: `export interface ${name} {\n${lines.join("\n")}\n}`,
  }));
}

function comment({ doc, limits, default: fallback }) {
  const text = (limits === "" ? doc : `${doc} Allowed: ${limits}.`).replaceAll("*/", "*\\/");
  if (fallback === "") return [`    /** ${text} */`];
  return ["    /**", `     * ${text}`, "     *", `     * @default ${fallback}`, "     */"];
}

/** `circuitBreaker` is of `CircuitBreakerOptions`. */
function nameOf(path) {
  return path.replaceAll(/(?:^|\.)(\w)/g, (_, first) => first.toUpperCase());
}
