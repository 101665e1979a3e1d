// npm run fuzz:codec [-- --count N --seed S]: gives damaged stored values of every codec to the decoder. Exit 1 when one
// came out wrong, crashed it, or made it take more memory than a value may have.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { build } from "./steps/build.mjs";
import { install } from "./steps/install.mjs";
import { say } from "./steps/process.mjs";

const MAX_EXTRA_BYTES = 256 * 1024 * 1024;

const { values } = parseArgs({ options: { count: { type: "string" }, seed: { type: "string" } } });
const count = wholeNumber("--count", values.count ?? "5000000");
const seed = wholeNumber("--seed", values.seed ?? String(randomInt(2 ** 31)));
await install();
await build();
const { fuzzEnvelopes } = await import("../dist/test/support/envelope-fuzz.js");

say(`fuzzing ${count} envelopes, seed ${seed}`);
const isTerminal = process.stderr.isTTY;
const startedMs = performance.now();
const counts = await fuzzEnvelopes(count, seed, (done) => {
  if (isTerminal) process.stderr.write(`\r\x1b[K${((done / count) * 100).toFixed(1)} %`);
});
if (isTerminal) process.stderr.write("\r\x1b[K");

const { firstProblem, peakExtraBytes, ...outcomes } = counts;
for (const [outcome, times] of Object.entries(outcomes)) console.log(`${outcome.padEnd(10)}${times}`);
console.log(`memory    ${Math.round(peakExtraBytes / 1024 / 1024)} MiB above the start at most`);
console.log(`time      ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
if (firstProblem !== undefined) console.log(firstProblem);
const isGood = counts.wrong === 0 && counts.crashed === 0 && peakExtraBytes <= MAX_EXTRA_BYTES;
process.exit(isGood ? 0 : 1);

function wholeNumber(name, text) {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  say(`${name} takes a whole number, not ${text}`);
  process.exit(2);
}
