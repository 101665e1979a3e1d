const BLOCK_BYTES = 8192;
/** Larger values have memory of their own. */
const MAX_SHARED_BYTES = BLOCK_BYTES / 2;

let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
let used = 0;

/**
 * Memory for a value that is handed to a caller, uninitialised. Small values share blocks of 8 KiB, so none keeps more
 * than that alive; `Buffer.allocUnsafe` shares 64 KiB on newer versions of Node.js.
 */
export function allocateValue(bytes: number): Buffer {
  if (bytes > MAX_SHARED_BYTES) return Buffer.allocUnsafeSlow(bytes);
  if (bytes > BLOCK_BYTES - used) {
    block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    used = 0;
  }
  const value = block.subarray(used, used + bytes);
  // On eight bytes, where copying is fastest.
  used = Math.min(BLOCK_BYTES, (used + bytes + 7) & ~7);
  return value;
}

export function copyOfBytes(bytes: Uint8Array): Buffer {
  const copy = allocateValue(bytes.length);
  copy.set(bytes);
  return copy;
}
