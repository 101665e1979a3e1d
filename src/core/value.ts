import { allocateValue, copyOfBytes } from "./value-memory.js";
/** A value as callers give it; strings are stored as UTF-8. */
export type Value = string | Uint8Array;
export type Key = string | Uint8Array;

export function valueToBuffer(value: Value): Buffer {
  if (typeof value === "string") return Buffer.from(value, "utf8");
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** A copy that shares no memory with the caller's bytes. */
export function copyOfValue(value: Value): Buffer {
  if (typeof value !== "string") return copyOfBytes(value);
  const copy = allocateValue(Buffer.byteLength(value));
  copy.write(value);
  return copy;
}
