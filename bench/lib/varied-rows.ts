import { keyAt, nineDigits } from "./key-text.js";

/** Keys of a load that picks them at random, and values that vary from put to put. */
export const KEY_COUNT = 100_000;
export const VALUE_BYTES = 100;
const VALUE_COUNT = 65_536;

let values: Buffer[] | undefined;
let written = 0;
let keysMade = 0;

/**
 * A value that no put has had for a long time: SQLite, for one, skips a row that is what it was. They are made before,
 * because making one costs as much as a fast client needs for a put.
 */
export function nextValue(): Buffer {
  values ??= makeValues();
  return values[written++ % VALUE_COUNT]!;
}

export function anyKey(): string {
  return rowKey(Math.floor(Math.random() * KEY_COUNT));
}

/** The key of an index below `KEY_COUNT`: `key:` and a number from 100,000 on. */
export function rowKey(index: number): string {
  return keyAt("key:", index);
}

/** Keys that this process has not had before, in an order that says nothing about them. */
export function newKey(): string {
  return `new:${nineDigits((++keysMade * 7919) % 999_999_937)}`;
}

function makeValues(): Buffer[] {
  const seed = String(process.pid);
  return Array.from({ length: VALUE_COUNT }, (_, index) => {
    const value = Buffer.allocUnsafe(VALUE_BYTES).fill("a");
    value.write(`${seed} ${index}`, 0, "latin1");
    return value;
  });
}
