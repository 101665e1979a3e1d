// Fails when an entry point of package.json cannot be imported and required, or a command does not start, where the
// package lies as users have it: packed, without what is installed for development.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { unpackForUser } from "./steps/packed.mjs";
import { root } from "./steps/process.mjs";

/** Of no use without the peer they are made for. */
const NEEDS_PEERS = ["./otel"];
// Required first: an import would have the module cached, and a top-level await would go unnoticed.
const LOAD = `
  (async () => {
    for (const specifier of process.argv.slice(1)) {
      try {
        require(specifier);
        if (Object.keys(await import(specifier)).length === 0) throw new Error("exports nothing");
      } catch (error) {
        console.log(specifier + ": " + error);
      }
    }
  })();`;

const { name, exports, bin = {} } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const problems = [];
const packed = unpackForUser();
const run = (...args) =>
  spawnSync(process.execPath, ["--no-warnings", ...args], { cwd: packed.folder, encoding: "utf8" });

function load(entries) {
  const specifiers = [];
  for (const [entry, target] of entries) {
    const specifier = name + entry.slice(1);
    const files = typeof target === "string" ? [target] : Object.values(target);
    const missing = files.filter((file) => !existsSync(join(packed.folder, "node_modules", name, file)));
    for (const file of missing) problems.push(`${specifier}: ${file} is not in the package`);
    if (missing.length === 0 && typeof target !== "string") specifiers.push(specifier);
  }
  const { status, stdout, stderr } = run("-e", LOAD, ...specifiers);
  problems.push(...stdout.split("\n").filter((line) => line !== ""));
  if (status !== 0) problems.push(stderr);
}

try {
  const entries = Object.entries(exports);
  load(entries.filter(([entry]) => !NEEDS_PEERS.includes(entry)));
  for (const [command, file] of Object.entries(bin)) {
    const { status, stderr } = run(join("node_modules", name, file), "bench", "--list");
    if (status !== 0) problems.push(`${command} bench: ${/^.*Error.*$/m.exec(stderr)?.[0] ?? stderr}`);
  }
  packed.linkPeers();
  load(entries.filter(([entry]) => NEEDS_PEERS.includes(entry)));
} finally {
  packed.remove();
}

for (const problem of problems) console.error(problem);
console.error(
  `exports: ${Object.keys(exports).length} entry points, ${problems.length} problem${problems.length === 1 ? "" : "s"}`,
);
process.exit(problems.length === 0 ? 0 : 1);
