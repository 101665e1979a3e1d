import type { ValueCodec } from "../../codec/value-codec.js";
import { UnsupportedOperationError } from "../../core/errors.js";
import type { Value } from "../../core/value.js";

/*
 * A record is a header of 8 bytes and then the value as the codec stores it:
 *   0 u8 record version   1 u8 zero   2 u48 LE wall-clock milliseconds at which it expires, 0: never
 */
export const RECORD_HEADER_BYTES = 8;
const VERSION = 1;
const SLAB_BYTES = 256 * 1024;

/**
 * When the record expires; 0: never.
 * @throws UnsupportedOperationError if a newer release wrote it
 */
export function recordExpiry(record: Buffer): number {
  if (!isReadable(record)) {
    throw new UnsupportedOperationError("the record was not written by this release or an older one", {
      reason: "ERR_FORMAT_VERSION",
    });
  }
  return expiryField(record);
}

/** Whether the record is one to be removed; never true of a record that this release cannot read. */
export function hasExpired(record: Buffer, nowMs: number): boolean {
  if (!isReadable(record)) return false;
  const expiresAtMs = expiryField(record);
  return expiresAtMs !== 0 && expiresAtMs <= nowMs;
}

function isReadable(record: Buffer): boolean {
  return record.length >= RECORD_HEADER_BYTES && record[0] === VERSION && record[1] === 0;
}

function expiryField(record: Buffer): number {
  const low = (record[2]! | (record[3]! << 8) | (record[4]! << 16) | (record[5]! << 24)) >>> 0;
  return low + (record[6]! | (record[7]! << 8)) * 0x1_0000_0000;
}

export function writeRecordHeader(target: Buffer, at: number, expiresAtMs: number): void {
  target[at] = VERSION;
  target[at + 1] = 0;
  if (expiresAtMs === 0) target.fill(0, at + 2, at + RECORD_HEADER_BYTES);
  else target.writeUIntLE(Math.ceil(expiresAtMs), at + 2, 6);
}

/**
 * Builds records one behind the other in slabs, because the library looks up an address once per allocation. A slab is
 * never used twice: the library's thread reads the records after the call that hands them over.
 */
export class RecordWriter {
  readonly #codec: ValueCodec;
  #slab = Buffer.alloc(0);
  #at = 0;

  constructor(codec: ValueCodec) {
    this.#codec = codec;
  }

  write(keyChecksum: number, value: Value, expiresAtMs: number): Buffer {
    this.#reserve(RECORD_HEADER_BYTES + this.#codec.maxEncodedBytes(value));
    const start = this.#at;
    writeRecordHeader(this.#slab, start, expiresAtMs);
    this.#at = this.#codec.encodeInto(this.#slab, start + RECORD_HEADER_BYTES, keyChecksum, value);
    return this.#slab.subarray(start, this.#at);
  }

  writeEncoded(stored: Buffer, expiresAtMs: number): Buffer {
    this.#reserve(RECORD_HEADER_BYTES + stored.length);
    const start = this.#at;
    writeRecordHeader(this.#slab, start, expiresAtMs);
    this.#at = start + RECORD_HEADER_BYTES + stored.copy(this.#slab, start + RECORD_HEADER_BYTES);
    return this.#slab.subarray(start, this.#at);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#slab.length) return;
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
    this.#at = 0;
  }
}
