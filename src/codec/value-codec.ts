import type { Value } from "../core/value.js";
import type { CompressionHint } from "./compression-hint.js";

/** A value in its stored form already, made ahead for one key; `encodeInto` copies it as it is. */
export class FramedValue extends Uint8Array {
  readonly original: Value;

  constructor(frame: Buffer, original: Value) {
    super(frame.buffer as ArrayBuffer, frame.byteOffset, frame.byteLength);
    this.original = original;
  }

  /** What is cut from a frame is plain bytes. */
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array;
  }
}

/**
 * Turns values into the bytes that stand in the store and back. Pure and synchronous; errors carry no key (the
 * caller adds it). `keyChecksum` is the CRC-32 of the stored key's bytes, key prefix included: the value's own
 * checksum continues from it, so a value read under another key never verifies.
 */
export interface ValueCodec {
  /** An upper bound of what `encodeInto` writes for this value, in bytes. */
  maxEncodedBytes(value: Value): number;
  /** Writes the stored form at `at` and returns the end. The target must hold `maxEncodedBytes(value)` from there. */
  encodeInto(target: Buffer, at: number, keyChecksum: number, value: Value, hint?: CompressionHint): number;
  /**
   * Writes the stored form with everything but its checksum, for a small value that is stored as it is; returns the end,
   * or -1 for values of any other kind, of which nothing is written. Once its checksum is in, it is what `encodeInto`
   * writes.
   */
  encodeUnsealed(target: Buffer, at: number, value: Value): number;
  /** Strings of so many UTF-16 units at most are such values, if their UTF-8 is no longer; -1: none are. */
  readonly plainTextUnits: number;
  encode(keyChecksum: number, value: Value, hint?: CompressionHint): Buffer;
  /** Length before compression that the stored form claims; -1: it is not compressed. */
  claimedRawBytes(source: Buffer, start: number, end: number): number;
  /** Whether `encodeInto` would try to compress a value of so many UTF-16 units or bytes. */
  compresses(units: number): boolean;
  /**
   * The value whose stored form is `source[start, end)`, as bytes of its own.
   * @throws CorruptValueError, UnsupportedOperationError (unknown codec or newer version)
   */
  decode(source: Buffer, start: number, end: number, keyChecksum: number): Buffer;
  /** The same for bytes that belong to the caller for good: the value may be a view of them. */
  decodeOwned(source: Buffer, start: number, end: number, keyChecksum: number): Buffer;
  /**
   * Whether a stored form with a checksum begins at `start` that is right if it ends at one of these offsets, which
   * ascend. Nothing else of it is looked at.
   */
  isSealedAt(source: Buffer, start: number, ends: readonly number[], keyChecksum: number): boolean;
  /** Whether header and checksum of a stored form are right, as far as it has them; a compressed body is not looked into. */
  isIntact(stored: Buffer, keyChecksum: number): boolean;
  readonly statistics: CodecStatistics;
}

/** Running totals, read by the engine when statistics are asked for. */
export interface CodecStatistics {
  bytesBeforeCompression: number;
  bytesAfterCompression: number;
  /** Milliseconds of codec work on this thread, extrapolated from the calls that were timed. */
  inlineMs: number;
}
