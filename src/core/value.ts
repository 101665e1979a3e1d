import { allocateValue, copyOfBytes } from "./value-memory.js";
/** A value as callers give it; strings are stored as UTF-8. */
export type Value = string | Uint8Array;
export type Key = string | Uint8Array;

/** Whether the memory of bytes was transferred away, or has shrunk below them: they pass for empty then. */
export function hasLostMemory(bytes: Uint8Array): boolean {
  if (bytes.length > 0) return false;
  try {
    Uint8Array.prototype.at.call(bytes, 0);
    return false;
  } catch {
    return true;
  }
}

export function valueToBuffer(value: Value): Buffer {
  if (typeof value === "string") return Buffer.from(value, "utf8");
  if (hasLostMemory(value)) throw new TypeError("the memory of these bytes has gone");
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** A copy that shares no memory with the caller's bytes. */
export function copyOfValue(value: Value): Buffer {
  if (typeof value !== "string") return copyOfBytes(value);
  const copy = allocateValue(Buffer.byteLength(value));
  copy.write(value);
  return copy;
}
