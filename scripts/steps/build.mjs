import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { documentOptions } from "./option-docs.mjs";
import { fail, root, run, say } from "./process.mjs";

const SOURCES = ["src", "bench", "test", "examples"];
/** The second compiles what runs in browsers, which knows a document and no Node. */
const PROJECTS = ["tsconfig.json", "tsconfig.page.json"];
const STAMP = join(root, "dist", ".sources");

/**
 * Compiles into dist/ unless dist/ was made from exactly these sources. Contents are compared, not times: a checkout
 * or a switch of branches gives files any time. The old dist/ goes first, so that no test of a deleted file lingers.
 */
export async function build() {
  const files = SOURCES.flatMap(filesBelow).sort();
  const state = fingerprint([...files, ...PROJECTS, "package-lock.json", "scripts/steps/option-docs.mjs"]);
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === state) return;
  say("building");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  for (const project of PROJECTS) {
    if ((await run(process.execPath, [compiler, "-p", project])) !== 0) fail("the build failed");
  }
  await documentOptions();
  for (const file of files) {
    if (/\.[cm]?tsx?$/.test(file)) continue;
    const target = join(root, "dist", file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(root, file), target);
  }
  writeFileSync(STAMP, state);
}

/** Paths of all files below a folder of the checkout, relative to the checkout. */
export function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
}

function fingerprint(files) {
  const hash = createHash("sha256");
  for (const file of files) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}
