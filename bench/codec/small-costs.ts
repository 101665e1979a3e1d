import { Envelope } from "../../src/codec/envelope.js";
import { MOST_SCANNED } from "../../src/codec/kernel/scanning-region.js";
import { collectAbandoned } from "../lib/garbage.js";
import { median } from "../lib/median.js";
import { judge } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import { makeValues } from "../load/records.js";
import { compressionRatios } from "../load/targets.js";
import type { CodecBench } from "./codec-bench.js";
import { type WindowCosts, windowCosts } from "./window-costs.js";

const MAX_VALUE_BYTES = 16 * 1024 * 1024;
const VALUES = 256;
const REPEATS = 400;
const ROUNDS = 15;
const WARM_UP_ROUNDS = 5;
const GOAL_NS = 120;
const RATIO_GOALS = [
  ["lz4", 2],
  ["snappy", 2],
  ["zstd", 3],
] as const;

/** How much smaller the bench's records become. */
export async function measureRatios(bench: CodecBench): Promise<void> {
  const ratios = await compressionRatios();
  for (const [codec, goal] of RATIO_GOALS) {
    bench.target(
      judge({
        ...{ id: `M2.ratio-${codec}`, title: `compression of 1 KiB records, ${codec}`, source: "C" },
        ...{ goal, bound: "at least", unit: "x", measured: ratios[codec] },
      }),
    );
  }
}

/** What header and checksum cost beside storing the bare bytes, for values too small to compress. */
export async function measureHeader(bench: CodecBench): Promise<void> {
  const framed = envelopeCosts("crc32");
  const bare = envelopeCosts("none");
  const rounds = Array.from({ length: ROUNDS + WARM_UP_ROUNDS }, () => {
    const [encode, decode] = framed();
    const [bareEncode, bareDecode] = bare();
    return { encode, decode, bareEncode, bareDecode };
  }).slice(WARM_UP_ROUNDS);
  for (const [name, whole, without] of [
    ["encode", rounds.map((round) => round.encode), rounds.map((round) => round.bareEncode)],
    ["decode", rounds.map((round) => round.decode), rounds.map((round) => round.bareDecode)],
  ] as const) {
    bench.target(
      judge({
        ...{ id: `M2.header-${name}`, source: "this run" },
        title: `header and checksum of 100 B, ${name}, beside the bare copy`,
        ...{ goal: GOAL_NS, bound: "at most", unit: "ns" },
        measured: median(whole.map((ns, round) => ns - without[round]!)),
        note: `${median(whole).toFixed(0)} ns with the copy, which alone takes ${median(without).toFixed(0)} ns`,
      }),
    );
  }
}

/** The same as the Redis wire does it: in one pass over all small values of a batch, or of what the socket has brought. */
export async function measureWindow(bench: CodecBench): Promise<void> {
  await collectAbandoned();
  const round = windowCosts();
  if (round === undefined) {
    bench.note("the kernel cannot run here, so there is no pass over a whole window to be measured");
    return;
  }
  const rounds = Array.from({ length: ROUNDS + WARM_UP_ROUNDS }, round).slice(WARM_UP_ROUNDS);
  const middle = (pick: (costs: WindowCosts) => number): string => median(rounds.map(pick)).toFixed(0);
  const machine = `here zlib.crc32 takes ${middle((costs) => costs.zlibCrc32)} ns for these bytes, TypedArray.set ${middle((costs) => costs.copy)} ns`;
  for (const [name, title, whole, bare] of [
    [
      "encode",
      "and the key's checksum",
      (costs: WindowCosts) => costs.encode,
      (costs: WindowCosts) => costs.bareEncode,
    ],
    [
      "decode",
      "and finding it in the reply",
      (costs: WindowCosts) => costs.decode,
      (costs: WindowCosts) => costs.bareDecode,
    ],
  ] as const) {
    bench.target(
      judge({
        ...{ id: `M2.window-${name}`, source: "this run" },
        title: `header and checksum of 100 B, ${title}, ${name} in one pass over ${MOST_SCANNED} values`,
        ...{ goal: GOAL_NS, bound: "at most", unit: "ns" },
        measured: median(rounds.map((costs) => whole(costs) - bare(costs))),
        note: `${middle(whole)} ns with the copy, which alone takes ${middle(bare)} ns; ${machine}`,
      }),
    );
  }
}

/** A round of encoding and decoding everything, as nanoseconds per value. */
function envelopeCosts(checksum: "crc32" | "none"): () => [number, number] {
  const envelope = new Envelope({
    ...{ checksum, compressor: undefined, decompressors: [] },
    ...{ thresholdBytes: 1024, maxValueBytes: MAX_VALUE_BYTES },
  });
  const values = makeValues(seededRandom(2), "100B", VALUES);
  const slab = Buffer.alloc(VALUES * 400);
  const ends = new Uint32Array(VALUES);
  const encode = (): void => {
    let at = 0;
    for (let index = 0; index < VALUES; index++) {
      at = envelope.encodeInto(slab, at, index, values[index]!);
      ends[index] = at;
    }
  };
  const decode = (): void => {
    let start = 0;
    for (let index = 0; index < VALUES; index++) {
      envelope.decode(slab, start, ends[index]!, index);
      start = ends[index]!;
    }
  };
  return () => [nsPerValue(encode), nsPerValue(decode)];
}

function nsPerValue(pass: () => void): number {
  const startedMs = performance.now();
  for (let repeat = 0; repeat < REPEATS; repeat++) pass();
  return ((performance.now() - startedMs) * 1e6) / (REPEATS * VALUES);
}
