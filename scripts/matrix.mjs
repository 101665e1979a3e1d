// npm run matrix [-- part-of-a-path…]: the tests on every supported line of Node.js, each brought by the npm package `node`.
import { fail, run } from "./steps/process.mjs";

const VERSIONS = ["22", "24", "26"];

const failed = [];
for (const version of VERSIONS) {
  console.log(`\nNode.js ${version}`);
  const command = ["exec", "--yes", `--package=node@${version}`, "--", "node", "scripts/test.mjs"];
  if ((await run("npm", [...command, ...process.argv.slice(2)])) !== 0) failed.push(version);
}
if (failed.length > 0) fail(`failed on Node.js ${failed.join(", ")}`);
