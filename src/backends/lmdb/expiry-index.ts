import { createHash } from "node:crypto";
import { MAX_STORED_KEY_BYTES } from "./stored-key.js";

/*
 * A second database says which records to look at when: its keys are a time (u48 BE, ms) and the stored key, so that
 * they lie in the order of time. It may name records that live longer by now or are gone, never fail to name one that
 * expires; the sweep looks at the record itself.
 *
 * The time is the expiry rounded up to a step that grows with the lifetime. That makes the index small where a key is
 * rewritten again and again: all rewrites within a step make the same entry, so there are at most some seventeen per
 * key, without a read before the write. The price: an expired record takes space for up to an eighth of its lifetime
 * longer (and at least a second); nobody sees it, reads judge for themselves.
 */
const TIME_BYTES = 6;
const SMALLEST_STEP_MS = 1024;
const STEPS_PER_LIFETIME = 8;
const DIGEST_BYTES = 32;
const LONGEST_PLAIN_KEY_BYTES = MAX_STORED_KEY_BYTES - TIME_BYTES;
/** LMDB refuses no empty value, but the library does. */
const NO_VALUE = Buffer.of(0);

export interface IndexEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export function indexEntry(storedKey: Buffer, expiresAtMs: number, ttlMs: number): IndexEntry {
  const step = Math.max(SMALLEST_STEP_MS, 2 ** Math.floor(Math.log2(ttlMs / STEPS_PER_LIFETIME)));
  const timeMs = Math.ceil(expiresAtMs / step) * step;
  const plain = storedKey.length <= LONGEST_PLAIN_KEY_BYTES;
  const key = Buffer.allocUnsafe(TIME_BYTES + (plain ? storedKey.length : DIGEST_BYTES));
  key.writeUIntBE(timeMs, 0, TIME_BYTES);
  if (plain) {
    storedKey.copy(key, TIME_BYTES);
    return { key, value: NO_VALUE };
  }
  createHash("sha256").update(storedKey).digest().copy(key, TIME_BYTES);
  return { key, value: storedKey };
}

/** The stored key that an index entry names. */
export function indexedKey(key: Buffer, value: Buffer): Buffer {
  // The value is in the library's buffer, which is longer than its `length` and used again by the next read.
  return value.length > 1 ? Buffer.from(value.subarray(0, value.length)) : key.subarray(TIME_BYTES);
}

/** Index entries before this key are due. */
export function dueBefore(nowMs: number): Buffer {
  const end = Buffer.alloc(TIME_BYTES);
  end.writeUIntBE(Math.floor(nowMs) + 1, 0, TIME_BYTES);
  return end;
}
