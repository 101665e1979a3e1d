import type { Value } from "../core/value.js";

/**
 * Turns values into the bytes that stand in the store and back. Pure and synchronous; errors carry no key (the
 * caller adds it). `keyChecksum` is the CRC-32 of the stored key's bytes, key prefix included: the value's own
 * checksum continues from it, so a value read under another key never verifies.
 */
export interface ValueCodec {
  /** An upper bound of what `encodeInto` writes for this value, in bytes. */
  maxEncodedBytes(value: Value): number;
  /** Writes the stored form at `at` and returns the end. The target must hold `maxEncodedBytes(value)` from there. */
  encodeInto(target: Buffer, at: number, keyChecksum: number, value: Value): number;
  encode(keyChecksum: number, value: Value): Buffer;
  /**
   * The value whose stored form is `source[start, end)`, as bytes of its own.
   * @throws CorruptValueError, UnsupportedOperationError (unknown codec or newer version)
   */
  decode(source: Buffer, start: number, end: number, keyChecksum: number): Buffer;
  /** The same for bytes that belong to the caller for good: the value may be a view of them. */
  decodeOwned(source: Buffer, start: number, end: number, keyChecksum: number): Buffer;
  readonly statistics: CodecStatistics;
}

/** Running totals, read by the engine when statistics are asked for. */
export interface CodecStatistics {
  bytesBeforeCompression: number;
  bytesAfterCompression: number;
}
