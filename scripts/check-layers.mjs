// Fails on an import that goes up, sideways or in a circle; type imports count, because type cycles are how façades leak downwards.
// node scripts/check-layers.mjs [checkout]
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const RANKS = {
  core: 0,
  config: 1,
  codec: 1,
  observability: 1,
  backends: 2,
  otel: 2,
  workers: 2,
  pipeline: 3,
  tier: 3,
  locks: 3,
  checkpoint: 3,
  tables: 3,
  engine: 4,
  stream: 4,
  admin: 5,
  adapters: 5,
  cli: 6,
  testing: 6,
};
/** Folders of src/backends that are no adapter. */
const SHARED_BY_ADAPTERS = new Set(["replicas"]);
/** Files that stand in src/ itself: the entry points. */
const ENTRY_RANK = 6;
const IMPORT =
  /\b(import|export)\s+(type\s)?[^"';()]*?\bfrom\s*["']([^"']+)["']|\bimport\s*["']([^"']+)["']|\b(import|new URL)\s*\(\s*["']([^"']+)["']/g;

const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), ".."));
const graph = new Map();
const problems = [];

for (const file of typeScriptFiles("src")) graph.set(file, importsOf(file));
for (const [file, imports] of graph) for (const found of imports) checkImport(file, found);
for (const file of typeScriptFiles("bench/load")) {
  for (const { target } of importsOf(file)) {
    if (target?.startsWith("src/") && !/^src\/(index|testing\/index)\.ts$/.test(target)) {
      problems.push(`${file} imports ${target}: bench/load uses the public face only`);
    }
  }
}
reportCycles();

for (const problem of problems) console.error(problem);
console.error(`layers: ${graph.size} files, ${problems.length} problem${problems.length === 1 ? "" : "s"}`);
process.exit(problems.length === 0 ? 0 : 1);

function checkImport(file, { specifier, target, erased, dynamic }) {
  const from = layerOf(file);
  if (from.rank === undefined) return problems.push(`${file}: src/${from.folder} has no rank`);
  if (target === undefined) {
    if (from.folder === "core" && !specifier.startsWith("node:")) {
      problems.push(`${file} imports ${specifier}: core imports node: only`);
    }
    return;
  }
  if (!existsSync(join(root, target))) return problems.push(`${file} imports ${specifier}, which does not exist`);
  if (!target.startsWith("src/")) return problems.push(`${file} imports ${target}, which is outside src`);
  const to = layerOf(target);
  if (from.folder === "testing" || file === target) return;
  if (to.folder !== from.folder && !(to.rank < from.rank)) {
    problems.push(`${file} imports ${target}: ${from.folder} (${from.rank}) may not see ${to.folder} (${to.rank})`);
  }
  if (to.adapter === undefined || to.adapter === from.adapter) return;
  if (file !== "src/backends/open-backend.ts") {
    problems.push(`${file} imports ${target}: adapters are reached through backends/open-backend.ts only`);
  } else if (!dynamic && !erased) {
    problems.push(`${file} imports ${target}: adapters are loaded by dynamic import only`);
  }
}

function layerOf(file) {
  const [, folder, below, ...rest] = file.split("/");
  if (below === undefined) return { folder: "entry point", rank: ENTRY_RANK };
  const isAdapter = folder === "backends" && rest.length > 0 && !SHARED_BY_ADAPTERS.has(below);
  return { folder, rank: RANKS[folder], adapter: isAdapter ? below : undefined };
}

function importsOf(file) {
  const text = readFileSync(join(root, file), "utf8");
  const found = [...text.matchAll(IMPORT)].map((match) => {
    const specifier = match[3] ?? match[4] ?? match[6];
    const relative = /^\.\.?\//.test(specifier);
    const target = relative ? posix.join(posix.dirname(file), specifier).replace(/\.([cm]?)js$/, ".$1ts") : undefined;
    return {
      specifier,
      target,
      erased: match[2] !== undefined,
      dynamic: match[5] === "import",
      url: match[5] === "new URL",
    };
  });
  // A worker's entry is code and counts; a URL may also name a file that is none.
  return found.filter(({ url, target }) => !url || /\.[cm]?ts$/.test(target ?? ""));
}

function reportCycles() {
  const finished = new Set();
  const walk = (file, trail) => {
    const start = trail.indexOf(file);
    if (start >= 0) return problems.push(`circle: ${[...trail.slice(start), file].join(" → ")}`);
    if (finished.has(file)) return;
    for (const { target } of graph.get(file) ?? []) if (target !== undefined) walk(target, [...trail, file]);
    finished.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
}

function typeScriptFiles(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => posix.join(folder, String(name).replaceAll("\\", "/")))
    .filter((file) => /\.[cm]?ts$/.test(file))
    .sort();
}
