import { keyAt } from "../lib/key-text.js";
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

/**
 * The key of an index. With the engine's own prefix (`state:`) it is stored under as many bytes as redis-benchmark's
 * key, whose numbers have twelve digits.
 */
export function keyOf(space: string, index: number): string {
  return keyAt(keyHead(space), index);
}

/** The key that redis-benchmark makes of the same index. */
export function yardstickKeyOf(space: string, index: number): string {
  return `${KEY_PREFIX}${space}${String(index).padStart(12, "0")}`;
}

function keyHead(space: string): string {
  return KEY_PREFIX + space;
}
