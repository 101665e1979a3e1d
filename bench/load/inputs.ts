import { below, seededRandom } from "../lib/rng.js";
import { zipfGenerator } from "../lib/zipf.js";
import { makeValues, VALUE_BYTES, type ValueSize } from "./records.js";

/** What a load draws on, made beforehand; only a key's text is put together for each operation. */
export interface Inputs {
  readonly size: ValueSize;
  readonly valueBytes: number;
  /** Name of the key space; keys are `%mb:<space>` and six digits. */
  readonly space: string;
  readonly keyCount: number;
  /** Every key once. */
  readonly allKeys: readonly string[];
  /** What all keys begin with; a key is made for each operation from this and its number, as services make theirs. */
  readonly keyHead: string;
  /** Indices of keys in the order of use; its length is a power of two. */
  readonly indices: Uint32Array;
  /** Distinct values; a prime number of them, so that a key gets another value each time the order repeats. */
  readonly values: readonly string[];
  /** 1: write, 0: read, for mixed loads; as long as `keys`. */
  readonly writes: Uint8Array;
}

export const SEQUENCE_LENGTH = 131_072;
const VALUE_COUNT: Record<ValueSize, number> = { "100B": 8191, "1KiB": 2039, "16KiB": 251 };
/** Unlike anything an application would use, since a server that was there before is rid of these keys afterwards. */
export const KEY_PREFIX = "%mb:";

export interface InputShape {
  readonly size: ValueSize;
  readonly space: string;
  readonly keyCount: number;
  /** Exponent of a Zipf distribution; absent: every key as likely as any other. */
  readonly zipf?: number;
}

export function makeInputs(shape: InputShape, seed: number): Inputs {
  const random = seededRandom(seed);
  const allKeys = Array.from({ length: shape.keyCount }, (_, index) => keyOf(shape.space, index));
  const nextIndex =
    shape.zipf === undefined ? () => below(random, shape.keyCount) : zipfGenerator(random, shape.keyCount, shape.zipf);
  const indices = Uint32Array.from({ length: SEQUENCE_LENGTH }, nextIndex);
  return {
    size: shape.size,
    valueBytes: VALUE_BYTES[shape.size],
    space: shape.space,
    keyCount: shape.keyCount,
    allKeys,
    keyHead: keyHead(shape.space),
    indices,
    values: makeValues(random, shape.size, VALUE_COUNT[shape.size]),
    writes: Uint8Array.from({ length: SEQUENCE_LENGTH }, () => (random() < 0.5 ? 1 : 0)),
  };
}

/** Numbers begin here, so that all have the same number of digits. */
const FIRST_KEY = 100_000;
const DIGITS = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, "0"));

/**
 * The key of an index. With the engine's own prefix (`state:`) it is stored under as many bytes as redis-benchmark's
 * key, whose numbers have twelve digits.
 */
export function keyOf(space: string, index: number): string {
  return keyAt(keyHead(space), index);
}

/**
 * The same from the head that all keys of a space have. Not by turning the number into text: V8 keeps thousands of such
 * texts in a cache, which every collection of young objects then has to move. At 100,000 operations a second one
 * took 3 ms because of them, 0.7 without, in whichever client they happened to fall.
 */
export function keyAt(keyHead: string, index: number): string {
  const number = FIRST_KEY + index;
  return keyHead + DIGITS[(number / 1000) | 0]! + DIGITS[number % 1000]!;
}

/** The key that redis-benchmark makes of the same index. */
export function yardstickKeyOf(space: string, index: number): string {
  return `${KEY_PREFIX}${space}${String(index).padStart(12, "0")}`;
}

function keyHead(space: string): string {
  return KEY_PREFIX + space;
}
