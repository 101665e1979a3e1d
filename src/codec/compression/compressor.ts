import type { Value } from "../../core/value.js";

export type CompressorName = "lz4" | "zstd" | "snappy";

/**
 * Larger values are left as they are by every codec, and no larger claim is believed when reading: WebAssembly memory
 * has to hold input and output at once.
 */
export const MAX_COMPRESSIBLE_BYTES = 64 * 1024 * 1024;

/**
 * One standard compressed format, without any framing of ours: the raw length travels in the value's envelope,
 * which also carries the checksum (no codec notices a flipped bit by itself). Synchronous, one thread, reusable
 * for ever: after hostile input or an oversize value the next call works as if nothing had happened.
 */
export interface Compressor {
  readonly name: CompressorName;

  /**
   * Loads the codec now rather than at its first use, for whoever wants a missing package to show early.
   * @throws UnsupportedOperationError with reason `ERR_CODEC_UNAVAILABLE`; so do the calls below
   */
  prepare(): void;

  /**
   * Compresses the value (strings as UTF-8) into `target` from `at` on and returns the end, or -1 if the result
   * would take `limit` bytes or more or the value is beyond `MAX_COMPRESSIBLE_BYTES`: the caller then stores the value as it is. Nothing at or past `at + limit`
   * is ever written, so that is all the room the target needs. Afterwards `lastRawBytes` is the value's size.
   */
  compressInto(value: Value, target: Buffer, at: number, limit: number): number;

  /** Size in bytes of the last value given to `compressInto`: for a string, its UTF-8 length, found on the way. */
  readonly lastRawBytes: number;

  /**
   * The `rawBytes` bytes that `source[start, end)` was made of, as a Buffer of its own. Never allocates more than
   * the claimed size and a constant, and checks that claim against the compressed bytes before it allocates.
   * @throws CorruptValueError with reason `ERR_CORRUPT_VALUE`
   */
  decompress(source: Uint8Array, start: number, end: number, rawBytes: number): Buffer;

  /** What does the work of the envelope along with that of the codec; undefined or absent where nothing can. */
  sealer?(): FrameSealer | undefined;
}

/** Bytes of the envelope's header before a compressed body (`src/codec/envelope.ts`). */
export const FRAME_HEADER_BYTES = 12;

/**
 * Whole stored LZ4 values, header and checksum included, in one step where the envelope would take several: the same bytes
 * for less time. Whatever it does not do, it leaves to those steps, which also find the words for what is wrong.
 */
export interface FrameSealer {
  /**
   * As `compressInto`, with header and checksum before the body, for which `limit` counts.
   * Nothing at or past `at + FRAME_HEADER_BYTES + limit` is written.
   */
  sealInto(value: Value, target: Buffer, at: number, limit: number, seed: number): number;

  /** Size in bytes of the last value given to `sealInto`. */
  readonly lastRawBytes: number;

  /**
   * The value of the frame `source[start, end)`, whose header names LZ4, a checksum and `rawBytes`; undefined
   * if its checksum or body is wrong, or it is better opened step by step.
   */
  openFrame(source: Uint8Array, start: number, end: number, rawBytes: number, seed: number): Buffer | undefined;
}

/** The size of a value that is beyond what is compressed, or -1. Only values that could be are measured. */
export function oversizeBytes(value: Value): number {
  if (value.length <= MAX_COMPRESSIBLE_BYTES / 3) return -1;
  const bytes = typeof value === "string" ? Buffer.byteLength(value) : value.length;
  return bytes > MAX_COMPRESSIBLE_BYTES ? bytes : -1;
}
