import { CorruptValueError, type StateError, UnsupportedOperationError } from "../../core/errors.js";

/*
 * A record is a header of 8 bytes and then the value as the codec stores it:
 *   0 u8 record version   1 u8 check of the other seven   2 u48 LE wall-clock milliseconds at which it expires, 0: never
 * Records of version 1 have no check, and a zero there. They are read, not written.
 */
export const RECORD_HEADER_BYTES = 8;
const VERSION = 2;
const UNCHECKED_VERSION = 1;

/** CRC-8, polynomial 07: finds whatever is changed within eight bits, and any two bits. */
const CHECKS = Uint8Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x80 ? 0x07 : 0)) & 0xff;
  return crc;
});

/**
 * When the record expires; 0: never.
 * @throws CorruptValueError, or UnsupportedOperationError if a newer release wrote it
 */
export function recordExpiry(record: Buffer): number {
  if (!isReadable(record)) throw unreadable(record);
  return expiryField(record);
}

/** Whether the record is one to be removed; never true of a record that cannot be read. */
export function hasExpired(record: Buffer, nowMs: number): boolean {
  if (!isReadable(record)) return false;
  const expiresAtMs = expiryField(record);
  return expiresAtMs !== 0 && expiresAtMs <= nowMs;
}

function isReadable(record: Buffer): boolean {
  if (record.length < RECORD_HEADER_BYTES) return false;
  const check = record[1]!;
  return record[0] === VERSION ? check === checkOf(record, 0) : record[0] === UNCHECKED_VERSION && check === 0;
}

function unreadable(record: Buffer): StateError {
  if (record.length < RECORD_HEADER_BYTES) {
    return new CorruptValueError("the record is shorter than its header", { reason: "ERR_CORRUPT_VALUE_TRUNCATED" });
  }
  // Above our version it is a newer release's, unless all but the version is as we write it.
  if (record[0]! > VERSION && record[1] !== checkOf(record, 0)) {
    return new UnsupportedOperationError("the record was not written by this release or an older one", {
      reason: "ERR_FORMAT_VERSION",
    });
  }
  return new CorruptValueError("the record's header is damaged", { reason: "ERR_CORRUPT_VALUE_HEADER" });
}

function expiryField(record: Buffer): number {
  const low = (record[2]! | (record[3]! << 8) | (record[4]! << 16) | (record[5]! << 24)) >>> 0;
  return low + (record[6]! | (record[7]! << 8)) * 0x1_0000_0000;
}

function checkOf(source: Buffer, at: number): number {
  let check = CHECKS[VERSION]!;
  for (let i = at + 2; i < at + RECORD_HEADER_BYTES; i++) check = CHECKS[check ^ source[i]!]!;
  return check;
}

export function writeRecordHeader(target: Buffer, at: number, expiresAtMs: number): void {
  const wholeMs = Math.ceil(expiresAtMs);
  const high = Math.floor(wholeMs / 0x1_0000_0000);
  target[at] = VERSION;
  target[at + 2] = wholeMs;
  target[at + 3] = wholeMs >>> 8;
  target[at + 4] = wholeMs >>> 16;
  target[at + 5] = wholeMs >>> 24;
  target[at + 6] = high;
  target[at + 7] = high >>> 8;
  target[at + 1] = checkOf(target, at);
}
