import { below, seededRandom } from "../lib/rng.js";
import { zipfGenerator } from "../lib/zipf.js";
import { makeValues, VALUE_BYTES, type ValueSize } from "./records.js";

/** Everything a load needs, made beforehand: while it is measured nothing is generated. */
export interface Inputs {
  readonly size: ValueSize;
  readonly valueBytes: number;
  /** Name of the key space; keys are `bench:<space>:` and twelve digits, as redis-benchmark writes them. */
  readonly space: string;
  readonly keyCount: number;
  /** Every key once. */
  readonly allKeys: readonly string[];
  /** Keys in the order of use; its length is a power of two. */
  readonly keys: readonly string[];
  /** Distinct values; a prime number of them, so that a key gets another value each time the order repeats. */
  readonly values: readonly string[];
  /** 1: write, 0: read, for mixed loads; as long as `keys`. */
  readonly writes: Uint8Array;
}

export const SEQUENCE_LENGTH = 131_072;
const VALUE_COUNT: Record<ValueSize, number> = { "100B": 8191, "1KiB": 2039, "16KiB": 251 };
export const KEY_PREFIX = "bench:";

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
  // A string of its own for each use, one behind the other in memory, as a service has them that has just made them from
  // a message. Picked at random from one set of strings, they would mostly measure this process's cache misses.
  const keys = Array.from({ length: SEQUENCE_LENGTH }, () => keyOf(shape.space, nextIndex()));
  return {
    size: shape.size,
    valueBytes: VALUE_BYTES[shape.size],
    space: shape.space,
    keyCount: shape.keyCount,
    allKeys,
    keys,
    values: makeValues(random, shape.size, VALUE_COUNT[shape.size]),
    writes: Uint8Array.from({ length: SEQUENCE_LENGTH }, () => (random() < 0.5 ? 1 : 0)),
  };
}

export function keyOf(space: string, index: number): string {
  return Buffer.from(`${KEY_PREFIX}${space}:${String(index).padStart(12, "0")}`, "latin1").toString("latin1");
}
