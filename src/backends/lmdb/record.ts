import { UnsupportedOperationError } from "../../core/errors.js";

/*
 * A record is a header of 8 bytes and then the value as the codec stores it:
 *   0 u8 record version   1 u8 zero   2 u48 LE wall-clock milliseconds at which it expires, 0: never
 */
export const RECORD_HEADER_BYTES = 8;
const VERSION = 1;

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
  const wholeMs = Math.ceil(expiresAtMs);
  const high = Math.floor(wholeMs / 0x1_0000_0000);
  target[at] = VERSION;
  target[at + 1] = 0;
  target[at + 2] = wholeMs;
  target[at + 3] = wholeMs >>> 8;
  target[at + 4] = wholeMs >>> 16;
  target[at + 5] = wholeMs >>> 24;
  target[at + 6] = high;
  target[at + 7] = high >>> 8;
}
