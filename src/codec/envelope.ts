import { crc32 } from "../core/crc32.js";
import { CorruptValueError, UnsupportedOperationError } from "../core/errors.js";
import type { Value } from "../core/value.js";
import { allocateValue, copyOfBytes } from "../core/value-memory.js";
import type { CodecDirection } from "./batch-codec.js";
import { type Compressor, FRAME_HEADER_BYTES, type FrameSealer } from "./compression/compressor.js";
import type { CompressionHint } from "./compression-hint.js";
import { type CodecStatistics, FramedValue, type ValueCodec } from "./value-codec.js";

/*
 * Stored form of a value (docs/value-format.md):
 *
 *   0  0xC1 0x4D      magic: 0xC1 begins no UTF-8 text and no MessagePack document
 *   2  u32 LE         CRC-32 over the stored key's bytes, then everything from byte 6 to the end
 *   6  u8             version (high four bits), codec (low four bits)
 *   7  u8             flags: bit 0, the checksum is present
 *   8  u32 LE         length before compression; absent when the codec is 0 (none)
 *   …  body
 *
 * The checksum comes before all it covers, so that it is one run over bytes that lie together in the slab. Magic,
 * checksum and what it covers stay the same in every later version: damage is told from novelty.
 */
const MAGIC_0 = 0xc1;
const MAGIC_1 = 0x4d;
const VERSION = 1;
const FLAG_CHECKSUM = 1;
const PLAIN_HEADER_BYTES = 8;
const COMPRESSED_HEADER_BYTES = FRAME_HEADER_BYTES;
const LONGER_HEADER_BYTES = COMPRESSED_HEADER_BYTES - PLAIN_HEADER_BYTES;
const MAX_UTF8_BYTES_PER_UNIT = 3;
/** Where the bytes that the checksum covers begin. */
const COVERED_FROM = 6;

const CODEC_NONE = 0;
const CODEC_IDS = { lz4: 1, zstd: 2, snappy: 3 } as const;
/** What byte 6 holds where a `FrameSealer` has been at work. */
const SEALED_VERSION_AND_CODEC = (VERSION << 4) | CODEC_IDS.lz4;

/** Digits and sign of the least 64-bit integer: stores that add to a counter by themselves know it uncompressed only. */
const LONGEST_COUNTER = 20;

export interface EnvelopeOptions {
  readonly checksum: "crc32" | "none";
  /** Compresses what is written; undefined: nothing is compressed. */
  readonly compressor: Compressor | undefined;
  readonly thresholdBytes: number;
  /** Everything that may be met when reading, the writing one included. */
  readonly decompressors: readonly Compressor[];
  /** No value longer than this is ever allocated. */
  readonly maxValueBytes: number;
  /** Told what a compression or decompression took, of every so-many-th. */
  readonly observer?: (direction: CodecDirection, bytes: number, elapsedMs: number) => void;
}

/** For longer values the call into zlib is faster than the kernel's tables. */
const MAX_UNSEALED_UNITS = 1024;

/** Larger values get memory of their own to be compressed into. */
const MAX_SCRATCH_BYTES = 1024 * 1024;
const ROOM_TO_GROW = 1.25;

/** One call in so many is timed: often enough to follow the load, too seldom to be felt. */
const TIMED_EVERY = 64;

export class Envelope implements ValueCodec {
  readonly statistics: CodecStatistics = { bytesBeforeCompression: 0, bytesAfterCompression: 0, inlineMs: 0 };
  readonly #checksummed: boolean;
  readonly #compressor: Compressor | undefined;
  readonly #thresholdBytes: number;
  readonly #maxValueBytes: number;
  readonly #observer: EnvelopeOptions["observer"];
  #calls = 0;
  readonly #decompressors: (Compressor | undefined)[] = [];
  #scratch = Buffer.allocUnsafeSlow(0);
  readonly #sealer: FrameSealer | undefined;
  readonly #opener: FrameSealer | undefined;

  constructor(options: EnvelopeOptions) {
    this.#checksummed = options.checksum === "crc32";
    this.#compressor = options.compressor;
    this.#thresholdBytes = Math.max(options.thresholdBytes, LONGEST_COUNTER + 1);
    this.#maxValueBytes = options.maxValueBytes;
    this.#observer = options.observer;
    for (const decompressor of options.decompressors) this.#decompressors[CODEC_IDS[decompressor.name]] = decompressor;
    this.#sealer = this.#checksummed ? options.compressor?.sealer?.() : undefined;
    this.#opener = this.#decompressors[CODEC_IDS.lz4]?.sealer?.();
  }

  maxEncodedBytes(value: Value): number {
    return (
      COMPRESSED_HEADER_BYTES + (typeof value === "string" ? value.length * MAX_UTF8_BYTES_PER_UNIT : value.length)
    );
  }

  compresses(units: number): boolean {
    return this.#compressor !== undefined && units >= this.#thresholdBytes;
  }

  claimedRawBytes(source: Buffer, start: number, end: number): number {
    if (end - start < COMPRESSED_HEADER_BYTES || source[start] !== MAGIC_0 || source[start + 1] !== MAGIC_1) return -1;
    return (source[start + 6]! & 0x0f) === CODEC_NONE ? -1 : source.readUInt32LE(start + PLAIN_HEADER_BYTES);
  }

  encode(keyChecksum: number, value: Value, hint?: CompressionHint): Buffer {
    if (typeof value !== "string" && value instanceof FramedValue) return copyOfBytes(value);
    const bytes = typeof value === "string" ? Buffer.byteLength(value) : value.length;
    if (this.compresses(value.length) && hint?.isPromising !== false) {
      const scratch = this.#scratchFor(COMPRESSED_HEADER_BYTES + bytes);
      return copyOfBytes(scratch.subarray(0, this.encodeInto(scratch, 0, keyChecksum, value, hint)));
    }
    const target = allocateValue(COMPRESSED_HEADER_BYTES + bytes);
    const end = this.encodeInto(target, 0, keyChecksum, value, hint);
    return target.subarray(0, end);
  }

  /** Fresh memory for each large value would cost more than the copy out of memory that is kept. */
  #scratchFor(bytes: number): Buffer {
    if (bytes <= this.#scratch.length) return this.#scratch;
    const scratch = Buffer.allocUnsafeSlow(Math.ceil(bytes * ROOM_TO_GROW));
    if (bytes <= MAX_SCRATCH_BYTES) this.#scratch = scratch;
    return scratch;
  }

  encodeInto(target: Buffer, at: number, keyChecksum: number, value: Value, hint?: CompressionHint): number {
    if (typeof value !== "string" && value instanceof FramedValue) {
      target.set(value, at);
      return at + value.length;
    }
    const compressor = this.#compressor;
    if (
      compressor !== undefined &&
      value.length >= this.#thresholdBytes &&
      (hint === undefined || hint.worthTrying())
    ) {
      const end = this.#compressInto(compressor, target, at, keyChecksum, value);
      if (end >= 0) {
        hint?.succeeded();
        return end;
      }
      hint?.failed();
    }
    const bodyAt = at + PLAIN_HEADER_BYTES;
    let end: number;
    if (typeof value === "string") {
      end = bodyAt + target.write(value, bodyAt);
    } else {
      target.set(value, bodyAt);
      end = bodyAt + value.length;
    }
    if (!this.#checksummed && !looksFramed(target, bodyAt, end)) {
      target.copyWithin(at, bodyAt, end);
      return at + (end - bodyAt);
    }
    this.#writeHeader(target, at, end, keyChecksum, CODEC_NONE);
    return end;
  }

  get plainTextUnits(): number {
    if (!this.#checksummed) return -1;
    return this.#compressor === undefined ? MAX_UNSEALED_UNITS : Math.min(MAX_UNSEALED_UNITS, this.#thresholdBytes - 1);
  }

  encodeUnsealed(target: Buffer, at: number, value: Value): number {
    const units = value.length;
    if (!this.#checksummed || units > MAX_UNSEALED_UNITS) return -1;
    if (this.#compressor !== undefined && units >= this.#thresholdBytes) return -1;
    const bodyAt = at + PLAIN_HEADER_BYTES;
    let end: number;
    if (typeof value === "string") {
      end = bodyAt + target.write(value, bodyAt);
    } else {
      if (value instanceof FramedValue) return -1;
      target.set(value, bodyAt);
      end = bodyAt + units;
    }
    target[at] = MAGIC_0;
    target[at + 1] = MAGIC_1;
    target[at + 6] = (VERSION << 4) | CODEC_NONE;
    target[at + 7] = FLAG_CHECKSUM;
    return end;
  }

  decode(source: Buffer, start: number, end: number, keyChecksum: number): Buffer {
    const opened = this.#openAtOnce(source, start, end, keyChecksum);
    if (opened !== undefined) return opened;
    const body = this.#bodyAt(source, start, end, keyChecksum);
    if (body < 0) return this.#decompress(source, start, end);
    this.#refuseOversize(end - body);
    const copy = allocateValue(end - body);
    source.copy(copy, 0, body, end);
    return copy;
  }

  decodeOwned(source: Buffer, start: number, end: number, keyChecksum: number): Buffer {
    const opened = this.#openAtOnce(source, start, end, keyChecksum);
    if (opened !== undefined) return opened;
    const body = this.#bodyAt(source, start, end, keyChecksum);
    if (body < 0) return this.#decompress(source, start, end);
    this.#refuseOversize(end - body);
    return source.subarray(body, end);
  }

  isSealedAt(source: Buffer, start: number, ends: readonly number[], keyChecksum: number): boolean {
    if (source[start] !== MAGIC_0 || source[start + 1] !== MAGIC_1) return false;
    let checksum = keyChecksum;
    let at = start + COVERED_FROM;
    for (const end of ends) {
      if (end - start < PLAIN_HEADER_BYTES) continue;
      checksum = crc32(source, at, end, checksum);
      at = end;
      if (checksum === source.readUInt32LE(start + 2)) return (source[start + 7]! & FLAG_CHECKSUM) !== 0;
    }
    return false;
  }

  isIntact(stored: Buffer, keyChecksum: number): boolean {
    try {
      this.#bodyAt(stored, 0, stored.length, keyChecksum);
      return true;
    } catch {
      return false;
    }
  }

  /** The value, if all is well with it and it is of the kind that one call opens; what is not goes the long way. */
  #openAtOnce(source: Buffer, start: number, end: number, keyChecksum: number): Buffer | undefined {
    if (
      this.#opener === undefined ||
      source[start + 6] !== SEALED_VERSION_AND_CODEC ||
      source[start] !== MAGIC_0 ||
      source[start + 1] !== MAGIC_1 ||
      source[start + 7] !== FLAG_CHECKSUM ||
      end - start <= COMPRESSED_HEADER_BYTES
    ) {
      return undefined;
    }
    const rawBytes = source.readUInt32LE(start + PLAIN_HEADER_BYTES);
    if (rawBytes > this.#maxValueBytes) return undefined;
    const startedMs = this.#startTimer();
    const value = this.#opener.openFrame(source, start, end, rawBytes, keyChecksum);
    if (startedMs !== 0) this.#stopTimer("decode", rawBytes, startedMs);
    return value;
  }

  /** Where the value begins that stands there as it is; -1: it is compressed. */
  #bodyAt(source: Buffer, start: number, end: number, keyChecksum: number): number {
    const bytes = end - start;
    if (bytes < 2 || source[start] !== MAGIC_0 || source[start + 1] !== MAGIC_1) {
      if (bytes >= PLAIN_HEADER_BYTES) refuseDamagedMagic(source, start, end, keyChecksum);
      return start;
    }
    if (bytes < PLAIN_HEADER_BYTES) throw corrupt("the value ends inside its header", "truncated");
    const stored =
      (source[start + 2]! | (source[start + 3]! << 8) | (source[start + 4]! << 16) | (source[start + 5]! << 24)) >>> 0;
    const flags = source[start + 7]!;
    if (flags & FLAG_CHECKSUM) {
      if (crc32(source, start + COVERED_FROM, end, keyChecksum) !== stored) {
        throw corrupt("the checksum does not match: damaged, or written under another key", "checksum");
      }
    } else if (stored !== 0) {
      throw corrupt("the header denies the checksum it carries", "header");
    }
    const versionAndCodec = source[start + 6]!;
    if (versionAndCodec >>> 4 !== VERSION || flags > FLAG_CHECKSUM) {
      throw new UnsupportedOperationError(
        `the value is in format version ${versionAndCodec >>> 4} (flags ${flags}); this release reads version ${VERSION}`,
        { reason: "ERR_FORMAT_VERSION" },
      );
    }
    return (versionAndCodec & 0x0f) === CODEC_NONE ? start + PLAIN_HEADER_BYTES : -1;
  }

  #compressInto(compressor: Compressor, target: Buffer, at: number, keyChecksum: number, value: Value): number {
    const bodyAt = at + COMPRESSED_HEADER_BYTES;
    const sealer = this.#sealer;
    // What text comes to in bytes is only known once it is compressed: until then only what the target holds is a limit.
    const limit =
      (typeof value === "string"
        ? Math.min(value.length * MAX_UTF8_BYTES_PER_UNIT, target.length - bodyAt)
        : value.length) - LONGER_HEADER_BYTES;
    const startedMs = this.#startTimer();
    const end =
      sealer === undefined
        ? compressor.compressInto(value, target, bodyAt, limit)
        : sealer.sealInto(value, target, at, limit, keyChecksum);
    if (startedMs !== 0) this.#stopTimer("encode", value.length, startedMs);
    const rawBytes = compressor.lastRawBytes;
    // A result that does not save the four bytes of its longer header is not worth its decompression.
    if (end < 0 || end - bodyAt >= rawBytes - LONGER_HEADER_BYTES) return -1;
    if (sealer === undefined) {
      target.writeUInt32LE(rawBytes, at + PLAIN_HEADER_BYTES);
      this.#writeHeader(target, at, end, keyChecksum, CODEC_IDS[compressor.name]);
    }
    this.statistics.bytesBeforeCompression += rawBytes;
    this.statistics.bytesAfterCompression += end - bodyAt;
    return end;
  }

  #decompress(source: Buffer, start: number, end: number): Buffer {
    const codec = source[start + 6]! & 0x0f;
    const decompressor = this.#decompressors[codec];
    if (decompressor === undefined) {
      throw new UnsupportedOperationError(
        `the value is compressed with codec ${codec}, which this release cannot read`,
        {
          reason: "ERR_CODEC_UNAVAILABLE",
        },
      );
    }
    if (end - start < COMPRESSED_HEADER_BYTES) throw corrupt("the value ends inside its header", "truncated");
    const rawBytes = source.readUInt32LE(start + PLAIN_HEADER_BYTES);
    this.#refuseOversize(rawBytes);
    const body = start + COMPRESSED_HEADER_BYTES;
    if (body === end) throw corrupt("the compressed body is empty", "truncated");
    const startedMs = this.#startTimer();
    const value = decompressor.decompress(source, body, end, rawBytes);
    if (startedMs !== 0) this.#stopTimer("decode", rawBytes, startedMs);
    return value;
  }

  /** 0: this call is not timed. */
  #startTimer(): number {
    return this.#calls++ % TIMED_EVERY === 0 ? performance.now() : 0;
  }

  #stopTimer(direction: CodecDirection, bytes: number, startedMs: number): void {
    const elapsedMs = performance.now() - startedMs;
    this.statistics.inlineMs += elapsedMs * TIMED_EVERY;
    this.#observer?.(direction, bytes, elapsedMs);
  }

  #refuseOversize(bytes: number): void {
    if (bytes <= this.#maxValueBytes) return;
    throw new CorruptValueError(`the value has ${bytes} bytes; maxValueBytes is ${this.#maxValueBytes}`, {
      reason: "ERR_VALUE_TOO_LARGE",
    });
  }

  #writeHeader(target: Buffer, at: number, end: number, keyChecksum: number, codec: number): void {
    target[at] = MAGIC_0;
    target[at + 1] = MAGIC_1;
    target[at + 6] = (VERSION << 4) | codec;
    target[at + 7] = this.#checksummed ? FLAG_CHECKSUM : 0;
    const checksum = this.#checksummed ? crc32(target, at + COVERED_FROM, end, keyChecksum) : 0;
    target[at + 2] = checksum;
    target[at + 3] = checksum >>> 8;
    target[at + 4] = checksum >>> 16;
    target[at + 5] = checksum >>> 24;
  }
}

function looksFramed(target: Buffer, start: number, end: number): boolean {
  return end - start >= 2 && target[start] === MAGIC_0 && target[start + 1] === MAGIC_1;
}

/** A value of ours whose first two bytes were damaged would pass for a foreign one, were its checksum not still right. */
function refuseDamagedMagic(source: Buffer, start: number, end: number, keyChecksum: number): void {
  const plausible = source[start + 6]! >>> 4 === VERSION && source[start + 7] === FLAG_CHECKSUM;
  if (!plausible) return;
  if (crc32(source, start + COVERED_FROM, end, keyChecksum) === source.readUInt32LE(start + 2)) {
    throw corrupt("the first bytes of the header are damaged", "header");
  }
}

function corrupt(message: string, detail: string): CorruptValueError {
  return new CorruptValueError(message, { reason: `ERR_CORRUPT_VALUE_${detail.toUpperCase()}` });
}
