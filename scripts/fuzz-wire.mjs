// npm run fuzz:wire [-- --count N --seed S]: gives damaged streams of replies to the reader of the Redis wire. Exit 1 when
// a read gave another key's value, a request was answered twice or never, or memory was taken because of a length alone.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { build } from "./steps/build.mjs";
import { install } from "./steps/install.mjs";
import { say } from "./steps/process.mjs";

const MAX_SLAB_BYTES = 2 * 1024 * 1024;

const { values } = parseArgs({ options: { count: { type: "string" }, seed: { type: "string" } } });
const count = wholeNumber("--count", values.count ?? "10000000");
const seed = wholeNumber("--seed", values.seed ?? String(randomInt(2 ** 31)));
await install();
await build();
const { fuzzReplies } = await import("../dist/test/support/reply-fuzz.js");
// Errors are many here and read by nobody: their stacks would be most of the work.
Error.stackTraceLimit = 0;

say(`fuzzing ${count} streams of replies, seed ${seed}`);
const isTerminal = process.stderr.isTTY;
const startedMs = performance.now();
const counts = await fuzzReplies(count, seed, (done) => {
  if (isTerminal) process.stderr.write(`\r\x1b[K${((done / count) * 100).toFixed(1)} %`);
});
if (isTerminal) process.stderr.write("\r\x1b[K");

const { firstProblem, peakSlabBytes, ...outcomes } = counts;
for (const [outcome, times] of Object.entries(outcomes)) console.log(`${outcome.padEnd(10)}${times}`);
console.log(`memory    ${Math.round(peakSlabBytes / 1024)} KiB for incoming bytes at most`);
console.log(`time      ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
if (firstProblem !== undefined) console.log(firstProblem);
process.exit(counts.foreign === 0 && counts.crashed === 0 && peakSlabBytes <= MAX_SLAB_BYTES ? 0 : 1);

function wholeNumber(name, text) {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  say(`${name} takes a whole number, not ${text}`);
  process.exit(2);
}
