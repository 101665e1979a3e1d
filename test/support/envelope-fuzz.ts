import { setImmediate } from "node:timers/promises";
import { type Compressor, FRAME_HEADER_BYTES } from "../../src/codec/compression/compressor.js";
import { Lz4Compressor } from "../../src/codec/compression/lz4.js";
import { SnappyCompressor } from "../../src/codec/compression/snappy.js";
import { ZstdCompressor } from "../../src/codec/compression/zstd.js";
import { Envelope } from "../../src/codec/envelope.js";
import { crc32 } from "../../src/core/crc32.js";
import { StateError } from "../../src/core/errors.js";
import { incompressibleBytes, sampleRecord } from "../unit/codec/compression/sample-values.js";

/*
 * Stored values, damaged in every way a store, a wire or a malicious writer could, are given to the decoder. Each must
 * come out as it was, or be refused with a typed error. Two outcomes need judgement: without the magic a value is
 * another program's and has to come back as it is stored, and where the forger made a checksum that fits, no one can tell
 * what the value was, but it must have the length that its header says.
 */
export interface FuzzCounts {
  right: number;
  foreign: number;
  forged: number;
  refused: number;
  wrong: number;
  crashed: number;
  peakExtraBytes: number;
  firstProblem: string | undefined;
}

interface Sample {
  readonly frame: Buffer;
  readonly value: Buffer;
  readonly keyChecksum: number;
}

const MAX_VALUE_BYTES = 1024 * 1024;
const MEASURED_EVERY = 4096;
const MAGIC = Buffer.from([0xc1, 0x4d]);
const CHECKSUM_AT = 2;
const COVERED_FROM = 6;
const FLAGS_AT = 7;
const RAW_BYTES_AT = 8;
const PLAIN_HEADER_BYTES = 8;

/** Damages and decodes `count` envelopes; the same seed gives the same ones. `onProgress` is told how many are done. */
export async function fuzzEnvelopes(
  ...[count, seed, onProgress]: [count: number, seed: number, onProgress?: (done: number) => void]
): Promise<FuzzCounts> {
  const random = seededInteger(seed);
  const readers = [new Lz4Compressor("kernel"), new Lz4Compressor("package")].map((lz4) =>
    openEnvelope(undefined, [lz4, new ZstdCompressor(), new SnappyCompressor()]),
  );
  const samples = makeSamples();
  const counts: FuzzCounts = {
    ...{ right: 0, foreign: 0, forged: 0, refused: 0, wrong: 0, crashed: 0, peakExtraBytes: 0 },
    firstProblem: undefined,
  };
  const startBytes = process.memoryUsage.rss();
  for (let done = 0; done < count; done++) {
    const sample = samples[random(samples.length)]!;
    const { stored, isSigned } = damage(sample, samples, random);
    const keyChecksum = random(16) === 0 ? random(2 ** 32) : sample.keyChecksum;
    const outcome = outcomeOf(readers[done & 1]!, stored, keyChecksum, sample, isSigned);
    counts[outcome]++;
    if (outcome === "wrong" || outcome === "crashed") {
      counts.firstProblem ??= `envelope ${done}: ${outcome}: ${stored.toString("hex").slice(0, 400)}`;
    }
    if (done % MEASURED_EVERY === 0) {
      counts.peakExtraBytes = Math.max(counts.peakExtraBytes, process.memoryUsage.rss() - startBytes);
      onProgress?.(done);
      // Native codecs give their memory back between turns of the event loop only.
      await setImmediate();
    }
  }
  return counts;
}

function outcomeOf(
  ...[reader, stored, keyChecksum, sample, isSigned]: [Envelope, Buffer, number, Sample, boolean]
): Exclude<keyof FuzzCounts, "peakExtraBytes" | "firstProblem"> {
  let value: Buffer;
  try {
    value = reader.decode(stored, 0, stored.length, keyChecksum);
  } catch (error) {
    return error instanceof StateError ? "refused" : "crashed";
  }
  if (!stored.subarray(0, 2).equals(MAGIC)) return value.equals(stored) ? "foreign" : "wrong";
  if (keyChecksum === sample.keyChecksum && value.equals(sample.value)) return "right";
  if (!isSigned) return "wrong";
  const isPlain = (stored[COVERED_FROM]! & 0x0f) === 0;
  if (isPlain) return value.equals(stored.subarray(PLAIN_HEADER_BYTES)) ? "forged" : "wrong";
  return value.length === stored.readUInt32LE(RAW_BYTES_AT) ? "forged" : "wrong";
}

/** One to four wounds, and in a quarter of the cases a checksum that fits them. */
function damage(sample: Sample, samples: readonly Sample[], random: (below: number) => number) {
  let stored: Buffer = Buffer.from(sample.frame);
  for (let wounds = random(5); wounds > 0; wounds--) {
    if (stored.length === 0) break;
    const at = random(3) === 0 ? random(Math.min(stored.length, FRAME_HEADER_BYTES + 8)) : random(stored.length);
    switch (random(8)) {
      case 0:
      case 1:
        stored[at]! ^= 1 << random(8);
        break;
      case 2:
        stored[at] = random(256);
        break;
      case 3:
        stored = stored.subarray(0, at);
        break;
      case 4:
        stored = Buffer.concat([stored, incompressibleBytes(1 + random(20), random(1000))]);
        break;
      case 5: {
        const other = samples[random(samples.length)]!.frame;
        stored = Buffer.concat([stored.subarray(0, at), other.subarray(Math.min(at, other.length))]);
        break;
      }
      case 6:
        if (stored.length >= FRAME_HEADER_BYTES) stored.writeUInt32LE(lengthOf(random), RAW_BYTES_AT);
        break;
      default:
        stored.fill(random(4) === 0 ? 255 : random(256), at, Math.min(stored.length, at + 1 + random(40)));
    }
  }
  const isSigned = stored.length >= PLAIN_HEADER_BYTES && random(4) === 0;
  if (isSigned) {
    MAGIC.copy(stored);
    stored[FLAGS_AT] = 1;
    stored.writeUInt32LE(crc32(stored, COVERED_FROM, stored.length, sample.keyChecksum), CHECKSUM_AT);
  }
  return { stored, isSigned };
}

function lengthOf(random: (below: number) => number): number {
  const magnitude = random(33);
  return magnitude === 32 ? 2 ** 32 - 1 - random(3) : random(2 ** magnitude);
}

function makeSamples(): Sample[] {
  const compressors: (Compressor | undefined)[] = [
    ...[new Lz4Compressor("kernel"), new Lz4Compressor("package")],
    ...[new ZstdCompressor(), new SnappyCompressor(), undefined],
  ];
  const values: Buffer[] = [0, 5, 40, 200, 700, 1500, 6000].map((bytes) => Buffer.from(sampleRecord(bytes, bytes)));
  values.push(Buffer.alloc(3000, "ab"), Buffer.alloc(5000), incompressibleBytes(300, 3), Buffer.alloc(0));
  return compressors.flatMap((compressor) =>
    values.map((value, index) => {
      const keyChecksum = (index + 1) * 0x1234567;
      const frame = openEnvelope(compressor, []).encode(keyChecksum, value);
      return { frame, value, keyChecksum };
    }),
  );
}

function openEnvelope(compressor: Compressor | undefined, decompressors: Compressor[]): Envelope {
  const sizes = { thresholdBytes: 16, maxValueBytes: MAX_VALUE_BYTES };
  return new Envelope({ checksum: "crc32", compressor, decompressors, ...sizes });
}

function seededInteger(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}
