import * as zlib from "node:zlib";
import { Envelope } from "../../src/codec/envelope.js";
import { MOST_SCANNED, ScanningRegion } from "../../src/codec/kernel/scanning-region.js";
import { SealingRegion } from "../../src/codec/kernel/sealing-region.js";
import { crc32 } from "../../src/core/crc32.js";
import { seededRandom } from "../lib/rng.js";
import { makeValues } from "../load/records.js";

const MAX_VALUE_BYTES = 16 * 1024 * 1024;
const REPEATS = 400;
const KEY_BYTES = 16;
const RUN_BYTES = 8192;
const nativeCrc32 = (zlib as { crc32?: (data: Uint8Array, seed: number) => number }).crc32;

/** Nanoseconds per value of 100 B. */
export interface WindowCosts {
  readonly encode: number;
  readonly bareEncode: number;
  readonly decode: number;
  readonly bareDecode: number;
  /** What this machine takes for the same bytes with nothing of ours. */
  readonly zlibCrc32: number;
  readonly copy: number;
}

/** A round of all of it; undefined where the kernel cannot run. */
export function windowCosts(): (() => WindowCosts) | undefined {
  const sealing = SealingRegion.take(0);
  const scanning = ScanningRegion.take();
  if (sealing === undefined || scanning === undefined) return undefined;
  const values = makeValues(seededRandom(2), "100B", MOST_SCANNED);
  const writing = writingPasses(sealing, values);
  const reading = readingPasses(scanning, values);
  const bytes = Buffer.from(values[0]!);
  const copy = Buffer.alloc(bytes.length);
  return () => ({
    encode: nsPerValue(writing.sealed),
    bareEncode: nsPerValue(writing.bare),
    decode: nsPerValue(reading.scanned),
    bareDecode: nsPerValue(reading.bare),
    zlibCrc32: nsPerValue(() => {
      for (let index = 0; index < MOST_SCANNED; index++) nativeCrc32?.(bytes, index);
    }),
    copy: nsPerValue(() => {
      for (let index = 0; index < MOST_SCANNED; index++) copy.set(bytes);
    }),
  });
}

/** As the Redis wire writes a batch: all values, then their checksums, those of their keys before. */
function writingPasses(region: SealingRegion, values: readonly string[]) {
  const envelope = envelopeWith("crc32");
  const { bytes } = region;
  return {
    sealed: (): void => {
      let at = KEY_BYTES;
      for (const value of values) {
        const end = envelope.encodeUnsealed(bytes, at, value);
        region.note(at - KEY_BYTES, KEY_BYTES, at, end - at);
        at = end + KEY_BYTES;
      }
      region.seal();
    },
    bare: (): void => {
      let at = KEY_BYTES;
      for (const value of values) at += bytes.write(value, at) + KEY_BYTES;
    },
  };
}

/** As the Redis wire reads a reply: all values are found and checked, then copied together and handed out as views. */
function readingPasses(region: ScanningRegion, values: readonly string[]) {
  const envelope = envelopeWith("crc32");
  const keys = values.map((_, index) => Buffer.from(`key ${index}`.padEnd(KEY_BYTES)));
  const checksums = Uint32Array.from(keys, (key) => crc32(key));
  const { bytes } = region;
  const places: (readonly [from: number, until: number])[] = [];
  let received = 0;
  for (const [index, value] of values.entries()) {
    const frame = envelope.encode(checksums[index]!, value);
    received += bytes.write(`$${frame.length}\r\n`, received, "latin1");
    frame.copy(bytes, received);
    places.push([received + frame.length - Buffer.byteLength(value), received + frame.length]);
    received += frame.length;
    received += bytes.write("\r\n", received, "latin1");
  }
  const handOut = (placeOf: (index: number) => readonly [number, number]): Buffer[] => {
    let run: Buffer = bytes;
    let runStart = 0;
    let runEnd = 0;
    return values.map((_, index) => {
      const [from, until] = placeOf(index);
      if (until > runEnd) {
        run = Buffer.allocUnsafeSlow(Math.min(RUN_BYTES, received - from));
        runStart = from;
        runEnd = from + bytes.copy(run, 0, from, from + run.length);
      }
      return run.subarray(from - runStart, until - runStart);
    });
  };
  return {
    scanned: (): void => {
      const found = region.scan(0, received, checksums, 0, values.length);
      if (found !== values.length) throw new Error(`${found} of ${values.length} values were found`);
      handOut((index) => [region.from(index), region.until(index)]);
    },
    bare: (): void => {
      handOut((index) => places[index]!);
    },
  };
}

function envelopeWith(checksum: "crc32" | "none"): Envelope {
  return new Envelope({
    ...{ checksum, compressor: undefined, decompressors: [] },
    ...{ thresholdBytes: 1024, maxValueBytes: MAX_VALUE_BYTES },
  });
}

function nsPerValue(pass: () => void): number {
  const startedMs = performance.now();
  for (let repeat = 0; repeat < REPEATS; repeat++) pass();
  return ((performance.now() - startedMs) * 1e6) / (REPEATS * MOST_SCANNED);
}
