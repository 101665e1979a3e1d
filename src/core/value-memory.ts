const BLOCK_BYTES = 8192;
/** Larger values have memory of their own. */
const MAX_SHARED_BYTES = BLOCK_BYTES / 2;

type BufferView = new (memory: ArrayBufferLike, at: number, bytes: number) => Buffer;

/**
 * The class whose objects buffers are; `Buffer` itself is a function around it. `Buffer.subarray` constructs one as
 * well, but asks the buffer for its memory and its place in it first, which costs twice as much as the view
 * (`bench/micro`).
 */
const BufferView = (Buffer as unknown as { readonly [Symbol.species]: BufferView })[Symbol.species];

let blockMemory = Buffer.allocUnsafeSlow(BLOCK_BYTES).buffer;
let used = 0;

/** Bytes of memory that is known already, as a Buffer; both numbers must be within it. */
export function viewOf(memory: ArrayBufferLike, at: number, bytes: number): Buffer {
  return new BufferView(memory, at, bytes);
}

/**
 * Memory for a value that is handed to a caller, uninitialised. Small values share blocks of 8 KiB, so none keeps more
 * than that alive; `Buffer.allocUnsafe` shares 64 KiB on newer versions of Node.js.
 */
export function allocateValue(bytes: number): Buffer {
  if (bytes > MAX_SHARED_BYTES) return Buffer.allocUnsafeSlow(bytes);
  if (bytes > BLOCK_BYTES - used) {
    blockMemory = Buffer.allocUnsafeSlow(BLOCK_BYTES).buffer;
    used = 0;
  }
  const value = viewOf(blockMemory, used, bytes);
  // On eight bytes, where copying is fastest.
  used = Math.min(BLOCK_BYTES, (used + bytes + 7) & ~7);
  return value;
}

export function copyOfBytes(bytes: Uint8Array): Buffer {
  const copy = allocateValue(bytes.length);
  copy.set(bytes);
  return copy;
}
