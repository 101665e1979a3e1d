import type { CodecDirection } from "../codec/batch-codec.js";
import type { CompressorName } from "../codec/compression/compressor.js";

/*
 * What crosses the border between the threads. A job is one message each way, and its bytes are moved, never copied:
 *
 *   request   slab:   Uint32 per value × 3   [start, end, key checksum]      then the values, one after the other
 *   results   slab:   the same memory, sent back to be used again; its head now says [block, start, end]
 *             blocks: results for which the slab has no room, in memory that belongs to whoever receives it
 *
 * Small results come in the slab and are copied out of it: memory that is new to the calling thread with every job has
 * it collect garbage for longer than the copies take. Large ones come in blocks of their own.
 *
 * What goes wrong with a value is data, `failures`: an error thrown across the border would lose its class and code.
 */

/** All that decides how a stored form looks; the same on both sides. */
export interface CodecSettings {
  readonly codec: CompressorName | "none";
  readonly level: number | undefined;
  readonly checksum: "crc32" | "none";
  readonly thresholdBytes: number;
  readonly maxValueBytes: number;
}

/** What a thread is born with. */
export interface ThreadData {
  /** URL of the module whose `runCodecJob` does the work. */
  readonly module: string;
  readonly settings: CodecSettings;
}

export interface CodecRequest {
  readonly direction: CodecDirection;
  readonly values: number;
  readonly slab: ArrayBuffer;
  /** From here on the slab has room for results; its length: it has none. */
  readonly resultsAt: number;
}

/** `other` is no property of the value: the calling thread does it again and sees for itself. */
export type FailureKind = "corrupt" | "unsupported" | "other";

export interface ValueFailure {
  readonly ok: false;
  readonly index: number;
  readonly kind: FailureKind;
  readonly detail: string;
  readonly reason: string | undefined;
}

export interface CodecResults {
  readonly ok: true;
  readonly slab: ArrayBuffer;
  readonly blocks: readonly ArrayBuffer[];
  readonly failures: readonly ValueFailure[];
  readonly bytesBeforeCompression: number;
  readonly bytesAfterCompression: number;
  readonly elapsedMs: number;
}

/** Nothing came of the job as a whole, for example because memory could not be had. */
export interface CodecJobFailure {
  readonly ok: false;
  readonly detail: string;
}

export type CodecResponse = CodecResults | CodecJobFailure;

export const WORDS_PER_VALUE = 3;
/** The block number of a value that failed. */
export const NO_BLOCK = 0xffff_ffff;
/** The block number of a value that is in the slab. */
export const IN_SLAB = 0xffff_fffe;
/** From this mean size on results are not worth the copy out of the slab. */
export const LARGE_RESULT_BYTES = 16 * 1024;

export function headBytes(values: number): number {
  return values * WORDS_PER_VALUE * Uint32Array.BYTES_PER_ELEMENT;
}

export function headOf(slab: ArrayBuffer, values: number): Uint32Array {
  return new Uint32Array(slab, 0, values * WORDS_PER_VALUE);
}
