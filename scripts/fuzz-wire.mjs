// npm run fuzz:wire [-- --count N --seed S --docs FILE]: gives damaged streams of replies to the reader of the Redis wire.
// Exit 1 when a read gave another key's value, a request was answered twice or never, or memory was taken because of a
// length alone; and when one of a tenth as many streams, sound but out of step, gave a request another one's answer. Without options it is the run whose figures stand in docs/reliability.md, and writes them there.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { build } from "./steps/build.mjs";
import { install } from "./steps/install.mjs";
import { say } from "./steps/process.mjs";

const MAX_SLAB_BYTES = 2 * 1024 * 1024;
const SHIFTED_SHARE = 10;

const text = { type: "string" };
const { values } = parseArgs({ options: { count: text, seed: text, docs: text } });
const docs = process.argv.length > 2 ? values.docs : "docs/reliability.md";
const count = wholeNumber("--count", values.count ?? "10000000");
const seed = wholeNumber("--seed", values.seed ?? String(randomInt(2 ** 31)));
await install();
await build();
const { fuzzReplies } = await import("../dist/test/support/reply-fuzz.js");
const { shiftReplies } = await import("../dist/test/support/shifted-replies.js");
const { grouped, markdownTable, writeSection } = await import("../dist/bench/lib/document-section.js");
// Errors are many here and read by nobody: their stacks would be most of the work.
Error.stackTraceLimit = 0;

say(`fuzzing ${count} streams of replies, seed ${seed}`);
const isTerminal = process.stderr.isTTY;
const startedMs = performance.now();
const counts = await fuzzReplies(count, seed, (done) => {
  if (isTerminal) process.stderr.write(`\r\x1b[K${((done / count) * 100).toFixed(1)} %`);
});
if (isTerminal) process.stderr.write("\r\x1b[K");

const shifted = shiftReplies(Math.ceil(count / SHIFTED_SHARE), seed);
const { peakSlabBytes, firstProblem: _, ...outcomes } = counts;
const firstProblem = counts.firstProblem ?? shifted.firstProblem;
const MEANINGS = {
  whole: "streams read to their end",
  refused: "streams that the reader refused",
  cut: "streams that ended within a reply",
  right: "values that were right",
  unmarked: "values that looked like another program's",
  foreign: "values of another key, or never stored",
  crashed: "requests answered twice or never, errors that are not the reader's",
};
const rows = [
  ["streams", `${grouped(count)} (seed ${seed})`],
  ...Object.entries(outcomes).map(([outcome, times]) => [MEANINGS[outcome], grouped(times)]),
  ["streams of sound replies out of step", grouped(shifted.damaged)],
  ["their requests that failed", grouped(shifted.failed)],
  ["their requests that were answered, each with its own answer", grouped(shifted.answered)],
  ["memory for incoming bytes at most", `${Math.round(peakSlabBytes / 1024)} KiB`],
  ["time", `${((performance.now() - startedMs) / 1000).toFixed(0)} s`],
];
for (const [name, figure] of rows) console.log(`${name.padEnd(70)}${figure}`);
if (docs !== undefined) writeSection(docs, "fuzz-wire", markdownTable(["", "count"], rows));
if (firstProblem !== undefined) console.log(firstProblem);
const isSound = counts.foreign === 0 && counts.crashed === 0 && shifted.firstProblem === undefined;
process.exit(isSound && peakSlabBytes <= MAX_SLAB_BYTES ? 0 : 1);

function wholeNumber(name, text) {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  say(`${name} takes a whole number, not ${text}`);
  process.exit(2);
}
