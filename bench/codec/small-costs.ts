import { Envelope } from "../../src/codec/envelope.js";
import { median } from "../lib/median.js";
import { judge } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import { makeValues } from "../load/records.js";
import { compressionRatios } from "../load/targets.js";
import type { CodecBench } from "./codec-bench.js";

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
