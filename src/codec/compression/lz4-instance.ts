import type { Value } from "../../core/value.js";

/** What turns values into LZ4 blocks and back: one instance of a WebAssembly module with its memory. */
export interface Lz4Instance {
  /** Size in bytes of the last value given to `compressInto`. */
  readonly lastRawBytes: number;
  /** WebAssembly memory never shrinks, so this tells whether an instance is worth keeping. */
  readonly memoryBytes: number;
  compressInto(value: Value, target: Buffer, at: number, limit: number): number;
  /**
   * Undefined if the block is refused in an orderly way, after which this instance is as good as before.
   * @throws CorruptValueError when the module stopped by itself: the instance is not to be used again
   */
  decompress(source: Uint8Array, start: number, end: number, rawBytes: number): Buffer | undefined;
}
