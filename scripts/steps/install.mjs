import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, npm, root, say } from "./process.mjs";

const OLDEST_NODE = [20, 19];

/** Leaves node_modules as package-lock.json wants it; touches nothing when it already is. */
export async function install() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    fail(`Node.js ${OLDEST_NODE.join(".")} or newer is needed; this is ${process.versions.node}`);
  }
  const reason = staleness();
  if (reason === undefined) return;
  say(`installing dependencies (${reason})`);
  if ((await npm(["ci", "--no-audit", "--no-fund"])) !== 0) fail("npm ci failed");
}

function staleness() {
  const recordPath = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(recordPath)) return "none yet";
  const installed = JSON.parse(readFileSync(recordPath, "utf8")).packages;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  for (const [path, { version, optional, devOptional, peer }] of Object.entries(wanted)) {
    if (path === "") continue;
    // Builds for other platforms are optional and rightly absent.
    if (installed[path] === undefined && (optional || devOptional || peer)) continue;
    if (installed[path]?.version !== version || !existsSync(join(root, path))) {
      return `${path.replace(/^.*node_modules\//, "")} ${version} is missing`;
    }
  }
  return undefined;
}
