// npm run check [-- --without-tests]: everything that must hold before a change goes in. Each check runs even if one before it failed.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { install } from "./steps/install.mjs";
import { root, say } from "./steps/process.mjs";

await install();
const checks = [
  ["format and lint", [join("node_modules", "@biomejs", "biome", "bin", "biome"), "check"]],
  ["layers", ["scripts/check-layers.mjs"]],
  ["kernel", ["scripts/build-kernel.mjs", "--check"]],
  ["types", ["scripts/build.mjs"]],
  ["exports", ["scripts/check-exports.mjs"]],
];
if (!process.argv.includes("--without-tests")) checks.push(["tests", ["scripts/test.mjs"]]);

const failed = checks.filter(([name, args]) => {
  say(`checking ${name}`);
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status !== 0;
});
if (failed.length > 0) say(`failed: ${failed.map(([name]) => name).join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);
