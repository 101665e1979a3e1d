import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root } from "./process.mjs";

/**
 * A folder in which the package lies as `npm install --omit=dev` would leave it: the files that are packed, and beside
 * them the dependencies, which are linked so that no network is needed. What is installed for development alone cannot
 * be reached from there. Peers are linked with `linkPeers`.
 */
export function unpackForUser() {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const peers = Object.keys(manifest.peerDependencies ?? {});
  const folder = mkdtempSync(join(tmpdir(), "millrace-packed-"));
  const modules = join(folder, "node_modules");
  const link = (name) => {
    const target = join(modules, name);
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(join(root, "node_modules", name), target, "junction");
  };
  for (const path of packedFiles()) cpSync(join(root, path), join(modules, manifest.name, path));
  for (const [path, { dev }] of Object.entries(packages)) {
    const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path) ?? [];
    // Binaries for other platforms are in the lock file and not installed.
    if (name === undefined || dev === true || peers.includes(name) || !existsSync(join(root, path))) continue;
    link(name);
  }
  return {
    folder,
    linkPeers: () => peers.forEach(link),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function packedFiles() {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const { npm_execpath: script } = process.env;
  const [command, first] = script === undefined ? ["npm", []] : [process.execPath, [script]];
  const { status, stdout, stderr } = spawnSync(command, [...first, ...args], { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm pack failed: ${stderr}`);
  return JSON.parse(stdout)[0].files.map(({ path }) => path);
}
