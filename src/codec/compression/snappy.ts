import { createRequire } from "node:module";
import { UnsupportedOperationError } from "../../core/errors.js";
import type { Value } from "../../core/value.js";
import { type Compressor, MAX_COMPRESSIBLE_BYTES, oversizeBytes } from "./compressor.js";
import { corruptBody } from "./corrupt-body.js";

type SnappyPackage = typeof import("snappy");

/** The densest element, a copy, gives 64 bytes for three. */
const MAX_EXPANSION = 64 / 3;

/**
 * Results in memory of JavaScript's own. The binding's comes back to it only when V8 has collected the buffer around it,
 * so under load every result took memory that the system had to clear first, two megabytes at a time. By turns, with the
 * memory store and in thousands a second: 11 and 17 puts of 64 KiB at 256 in flight, 5.8 and 7.4 gets of 256 KiB at 16.
 */
const COPIED = { copyOutputData: true };
const COPIED_BYTES = { asBuffer: true, copyOutputData: true };

/** Raw Snappy blocks by the native binding of the `snappy` package. */
export class SnappyCompressor implements Compressor {
  readonly name = "snappy";
  lastRawBytes = 0;
  #snappy: SnappyPackage | undefined;

  prepare(): void {
    this.#package();
  }

  compressInto(value: Value, target: Buffer, at: number, limit: number): number {
    this.lastRawBytes = oversizeBytes(value);
    if (this.lastRawBytes >= 0) return -1;
    const body = this.#package().compressSync(value, COPIED);
    this.lastRawBytes = snappyRawBytes(body, 0, body.length);
    if (body.length >= limit) return -1;
    target.set(body, at);
    return at + body.length;
  }

  decompress(source: Uint8Array, start: number, end: number, rawBytes: number): Buffer {
    const declared = snappyRawBytes(source, start, end);
    if (declared !== rawBytes) throw corruptBody("snappy", `the block holds ${declared} bytes of ${rawBytes}`);
    if (rawBytes > MAX_COMPRESSIBLE_BYTES || rawBytes > (end - start) * MAX_EXPANSION) {
      throw corruptBody("snappy", `a block of ${end - start} bytes cannot hold ${rawBytes}`);
    }
    const snappy = this.#package();
    let raw: Buffer;
    try {
      raw = snappy.uncompressSync(source.subarray(start, end), COPIED_BYTES) as Buffer;
    } catch (cause) {
      if (cause instanceof RangeError) throw cause; // The caller's stack ran out: no fault of the block.
      throw corruptBody("snappy", "not a Snappy block", cause);
    }
    if (raw.length !== rawBytes) throw corruptBody("snappy", `gives ${raw.length} bytes instead of ${rawBytes}`);
    return raw;
  }

  #package(): SnappyPackage {
    if (this.#snappy !== undefined) return this.#snappy;
    try {
      this.#snappy = createRequire(import.meta.url)("snappy") as SnappyPackage;
    } catch (cause) {
      // The binding is an optional native package: a platform without one has every other codec.
      throw new UnsupportedOperationError("codec snappy is not installed here", {
        reason: "ERR_CODEC_UNAVAILABLE",
        cause,
      });
    }
    return this.#snappy;
  }
}

/** The raw length a block begins with, a little-endian base-128 number of at most 32 bits; -1 if it is none. */
export function snappyRawBytes(source: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let index = 0; index < 5 && start + index < end; index++) {
    const byte = source[start + index]!;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return value < 2 ** 32 ? value : -1;
  }
  return -1;
}
