import type { LengthDamage } from "./faults.js";

const DOLLAR = 0x24;
const CR = 13;
const LF = 10;

/** Bytes after a bulk's begin that a flip leaves alone; 0: none. */
const DEFAULT_MIN_BYTES = 1;

interface Bulk {
  /** Of the `$`. */
  readonly at: number;
  /** First byte of the payload. */
  readonly from: number;
  readonly length: number;
}

/** The first bulk of at least so many bytes whose header stands in this piece, by its look: `$`, digits, CR LF. */
function findBulk(piece: Buffer, minBytes: number): Bulk | undefined {
  for (let at = piece.indexOf(DOLLAR); at >= 0; at = piece.indexOf(DOLLAR, at + 1)) {
    let p = at + 1;
    let length = 0;
    while (p < piece.length && p - at <= 10 && piece[p]! >= 0x30 && piece[p]! <= 0x39) {
      length = length * 10 + piece[p++]! - 0x30;
    }
    const isHeader = p > at + 1 && piece[p] === CR && piece[p + 1] === LF;
    if (isHeader && length >= minBytes && p + 2 < piece.length) return { at, from: p + 2, length };
  }
  return undefined;
}

/** The piece with one bit of a bulk's payload flipped; undefined: it has no such bulk. */
export function flipPayload(piece: Buffer, minBytes = DEFAULT_MIN_BYTES): Buffer | undefined {
  const bulk = findBulk(piece, minBytes);
  if (bulk === undefined) return undefined;
  const here = Math.min(bulk.length, piece.length - bulk.from);
  const damaged = Buffer.from(piece);
  damaged[bulk.from + Math.floor(Math.random() * here)]! ^= 1 << Math.floor(Math.random() * 8);
  return damaged;
}

/** Replies that a damaged length takes in at most, by the lines that they end with. */
const MOST_SWALLOWED = 8;

/** The piece with the length of one bulk changed and its payload as it was; undefined: it has no such bulk. */
export function flipLength(piece: Buffer, how: LengthDamage, minBytes = DEFAULT_MIN_BYTES): Buffer | undefined {
  const bulk = findBulk(piece, minBytes);
  if (bulk === undefined) return undefined;
  const claimed = {
    shorter: () => Math.max(0, bulk.length - 10),
    longer: () => bulk.length + 40,
    absurd: () => 9_999_999_999,
    swallowing: () => swallowing(piece, bulk),
  }[how]();
  if (claimed === undefined) return undefined;
  return Buffer.concat([piece.subarray(0, bulk.at + 1), Buffer.from(`${claimed}\r\n`), piece.subarray(bulk.from)]);
}

function swallowing(piece: Buffer, bulk: Bulk): number | undefined {
  const ends: number[] = [];
  let at = bulk.from + bulk.length;
  while (ends.length < MOST_SWALLOWED) {
    at = piece.indexOf("\r\n", at + 2);
    if (at < 0) break;
    ends.push(at);
  }
  const end = ends[Math.floor(Math.random() * ends.length)];
  return end === undefined ? undefined : end - bulk.from;
}
