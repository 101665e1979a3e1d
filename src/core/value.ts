/** A value as callers give it; strings are stored as UTF-8. */
export type Value = string | Uint8Array;
export type Key = string | Uint8Array;

export function valueToBuffer(value: Value): Buffer {
  if (typeof value === "string") return Buffer.from(value, "utf8");
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** A copy that shares no memory with the caller's bytes. */
export function copyOfValue(value: Value): Buffer {
  return typeof value === "string" ? Buffer.from(value, "utf8") : Buffer.from(value);
}
