// Fails when an entry point of package.json does not resolve after the build, or cannot be imported and required.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root } from "./steps/process.mjs";

const { name, exports, bin = {} } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const require = createRequire(import.meta.url);
const problems = [];

for (const [entry, target] of Object.entries(exports)) {
  const specifier = name + entry.slice(1);
  const files = typeof target === "string" ? [target] : Object.values(target);
  const missing = files.filter((file) => !existsSync(join(root, file)));
  for (const file of missing) problems.push(`${specifier}: ${file} does not exist`);
  if (missing.length > 0 || typeof target === "string") continue;
  try {
    // Required first: an import would have the module cached, and a top-level await would go unnoticed.
    require(specifier);
    if (Object.keys(await import(specifier)).length === 0) problems.push(`${specifier}: exports nothing`);
  } catch (error) {
    problems.push(`${specifier}: ${error}`);
  }
}
for (const [command, file] of Object.entries(bin)) {
  if (!existsSync(join(root, file))) problems.push(`command ${command}: ${file} does not exist`);
}

for (const problem of problems) console.error(problem);
console.error(
  `exports: ${Object.keys(exports).length} entry points, ${problems.length} problem${problems.length === 1 ? "" : "s"}`,
);
process.exit(problems.length === 0 ? 0 : 1);
