import type { CompressionHint } from "../../../codec/compression-hint.js";
import { SEALING_REGION_BYTES, SealingRegion } from "../../../codec/kernel/sealing-region.js";
import type { ValueCodec } from "../../../codec/value-codec.js";
import { crc32 } from "../../../core/crc32.js";
import { type CanonicalKey, writeKey } from "../../../core/key.js";
import type { Value } from "../../../core/value.js";
import { ArgumentRuns, type ArgumentTarget } from "./argument-runs.js";

const DEFAULT_BYTES = SEALING_REGION_BYTES;
const CR = 13;
const LF = 10;
const DOLLAR = 0x24;
const ASTERISK = 0x2a;
/** Room for an array header, a length header and line ends around one argument. */
const FRAME_BYTES = 48;

/**
 * Outgoing bytes of one batch: commands, keys, value headers, values and checksums are written in place, one after
 * the other, and leave in one write. Grows; never shrinks below its first size.
 */
export class CommandSlab implements ArgumentTarget {
  bytes: Buffer;
  length = 0;
  /** CRC-32 of the last key written, prefix included: where a value's checksum continues from. */
  keyChecksum = 0;
  readonly #codec: ValueCodec;
  readonly prefix: Buffer;
  readonly prefixChecksum: number;
  readonly plainTextUnits: number;
  readonly runs: ArgumentRuns;
  /** Whose memory `bytes` is; undefined: plain memory, in which every checksum is made at once. */
  #region: SealingRegion | undefined;
  /** The region that a batch of unusual size did not fit in. */
  #spareRegion: SealingRegion | undefined;
  #keyAt = 0;
  #keyEnd = 0;

  constructor(codec: ValueCodec, keyPrefix: string) {
    this.#codec = codec;
    this.prefix = Buffer.from(keyPrefix, "utf8");
    this.prefixChecksum = crc32(this.prefix);
    this.#region = SealingRegion.take(this.prefixChecksum);
    this.bytes = this.#region?.bytes ?? Buffer.allocUnsafeSlow(DEFAULT_BYTES);
    this.plainTextUnits = codec.plainTextUnits;
    this.runs = new ArgumentRuns(this);
  }

  addressFor(bytes: number): number {
    if (this.#region === undefined || this.length + bytes > this.bytes.length) return -1;
    return this.#region.addressOf(this.length);
  }

  advance(bytes: number): void {
    this.length += bytes;
  }

  /** Ready for the next batch; an unusually large buffer is not kept. */
  reset(): void {
    this.length = 0;
    if (this.#spareRegion !== undefined) {
      this.#region = this.#spareRegion;
      this.#spareRegion = undefined;
      this.bytes = this.#region.bytes;
    } else if (this.bytes.length > DEFAULT_BYTES * 16) {
      this.bytes = Buffer.allocUnsafeSlow(DEFAULT_BYTES);
    }
    // A batch that could not be encoded to its end may have left some.
    this.#region?.reset();
  }

  /** Bytes that stand for themselves: command names with their headers. */
  constant(encoded: Uint8Array): void {
    this.#reserve(encoded.length);
    const { bytes } = this;
    let at = this.length;
    if (encoded.length > 48) {
      bytes.set(encoded, at);
      at += encoded.length;
    } else {
      for (let i = 0; i < encoded.length; i++) bytes[at++] = encoded[i]!;
    }
    this.length = at;
  }

  arrayHeader(elements: number): void {
    this.#reserve(FRAME_BYTES);
    this.length = writeHeader(this.bytes, this.length, ASTERISK, elements);
  }

  /** @param units the key's length in UTF-16 units */
  key(key: CanonicalKey, units: number): void {
    this.#writeKey(key, units);
    this.#checkKey();
  }

  /** The key of an entry, whose value comes with `entryValue`. */
  entryKey(key: CanonicalKey, units: number): void {
    this.#writeKey(key, units);
    if (this.#region === undefined) this.#checkKey();
  }

  /** The value of the last `entryKey`. Its checksum may be missing until `seal`. */
  entryValue(value: Value, hint?: CompressionHint): void {
    const region = this.#region;
    if (region === undefined) {
      this.value(value, hint);
      return;
    }
    const keyAt = this.#keyAt;
    const keyBytes = this.#keyEnd - keyAt;
    this.#reserve(this.#codec.maxEncodedBytes(value) + FRAME_BYTES);
    const headerAt = this.length;
    const guessedDigits = digits(value.length + 8);
    const from = headerAt + 1 + guessedDigits + 2;
    // Making room may have moved everything out of the region, and sealed what was noted.
    const end = this.#region === undefined ? -1 : this.#codec.encodeUnsealed(this.bytes, from, value);
    if (end < 0) {
      this.#checkKey();
      this.value(value, hint);
      return;
    }
    const frameAt = this.#finishValue(headerAt, from, guessedDigits, end);
    region.note(keyAt, keyBytes, frameAt, end - from);
  }

  /** To be called when the last entry has been written. */
  seal(): void {
    this.#region?.seal();
  }

  /** The stored form of a value; its key must be the last one written. */
  value(value: Value, hint?: CompressionHint): void {
    this.#reserve(this.#codec.maxEncodedBytes(value) + FRAME_BYTES);
    const headerAt = this.length;
    const guessedDigits = digits(value.length + 8);
    const from = headerAt + 1 + guessedDigits + 2;
    const end = this.#codec.encodeInto(this.bytes, from, this.keyChecksum, value, hint);
    this.#finishValue(headerAt, from, guessedDigits, end);
  }

  /** A whole number as an argument. */
  integer(value: number): void {
    if (value >= 0 && value <= 0x7fffffff) {
      this.#reserve(FRAME_BYTES);
      const at = writeHeader(this.bytes, this.length, DOLLAR, digits(value));
      const end = writeDecimal(this.bytes, at, value);
      this.bytes[end] = CR;
      this.bytes[end + 1] = LF;
      this.length = end + 2;
    } else {
      this.text(String(value));
    }
  }

  text(text: string): void {
    this.argument(Buffer.from(text, "utf8"));
  }

  argument(argument: Uint8Array): void {
    this.#reserve(argument.length + FRAME_BYTES);
    const at = writeHeader(this.bytes, this.length, DOLLAR, argument.length);
    this.bytes.set(argument, at);
    const end = at + argument.length;
    this.bytes[end] = CR;
    this.bytes[end + 1] = LF;
    this.length = end + 2;
  }

  /** Leaves where the key's bytes begin, prefix excluded, in `#keyAt`, and where they end in `#keyEnd`. */
  #writeKey(key: CanonicalKey, units: number): void {
    const prefix = this.prefix;
    const prefixBytes = prefix.length;
    this.#reserve(units * 3 + prefixBytes + FRAME_BYTES);
    const { bytes } = this;
    const headerAt = this.length;
    // Right for ASCII keys; a longer one is moved over if its length takes more digits.
    const guess = prefixBytes + units;
    let from = headerAt + 1 + digits(guess) + 2;
    let at = from;
    for (let i = 0; i < prefixBytes; i++) bytes[at++] = prefix[i]!;
    at = writeKey(bytes, at, key, units);
    const actual = at - from;
    if (actual !== guess && digits(actual) !== digits(guess)) {
      const shift = digits(actual) - digits(guess);
      bytes.copyWithin(from + shift, from, at);
      from += shift;
      at += shift;
    }
    writeHeader(bytes, headerAt, DOLLAR, actual);
    this.#keyAt = from + prefixBytes;
    this.#keyEnd = at;
    bytes[at] = CR;
    bytes[at + 1] = LF;
    this.length = at + 2;
  }

  #checkKey(): void {
    this.keyChecksum = crc32(this.bytes, this.#keyAt, this.#keyEnd, this.prefixChecksum);
  }

  /** Puts its header before a value that ends at `end`; returns where it begins now. */
  #finishValue(headerAt: number, from: number, guessedDigits: number, end: number): number {
    const { bytes } = this;
    const actual = end - from;
    const shift = digits(actual) - guessedDigits;
    if (shift !== 0) bytes.copyWithin(from + shift, from, end);
    writeHeader(bytes, headerAt, DOLLAR, actual);
    bytes[end + shift] = CR;
    bytes[end + shift + 1] = LF;
    this.length = end + shift + 2;
    return from + shift;
  }

  #reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    if (this.#region !== undefined) {
      this.#region.seal();
      this.#spareRegion = this.#region;
      this.#region = undefined;
    }
    const bigger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(bigger, 0, 0, this.length);
    this.bytes = bigger;
  }
}

/** `*1\r\n$4\r\nPING\r\n`, or the same without its array header for commands with a varying number of arguments. */
export function encodedCommand(args: readonly string[], withHeader = true): Buffer {
  const body = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join("");
  return Buffer.from(withHeader ? `*${args.length}\r\n${body}` : body, "utf8");
}

function digits(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  if (value < 10_000) return 4;
  if (value < 100_000) return 5;
  if (value < 1_000_000) return 6;
  if (value < 10_000_000) return 7;
  if (value < 100_000_000) return 8;
  return value < 1_000_000_000 ? 9 : 10;
}

function writeDecimal(bytes: Buffer, at: number, value: number): number {
  const end = at + digits(value);
  let rest = value;
  for (let i = end - 1; i >= at; i--) {
    const tenth = (rest / 10) | 0;
    bytes[i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
  return end;
}

function writeHeader(bytes: Buffer, at: number, type: number, value: number): number {
  bytes[at] = type;
  const end = writeDecimal(bytes, at + 1, value);
  bytes[end] = CR;
  bytes[end + 1] = LF;
  return end + 2;
}
