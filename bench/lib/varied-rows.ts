/** Keys of a load that picks them at random, and values that are never the same twice. */
export const KEY_COUNT = 100_000;
export const VALUE_BYTES = 100;

let written = 0;

/** No two puts of a run write the same bytes: SQLite, for one, skips a row that is what it was. */
export function nextValue(): Buffer {
  const value = Buffer.alloc(VALUE_BYTES, 0x61);
  value.write(String(++written), 0, "latin1");
  return value;
}

export function anyKey(): string {
  return `key:${Math.floor(Math.random() * KEY_COUNT)}`;
}
