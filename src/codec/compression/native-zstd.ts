import * as zlib from "node:zlib";

/** Below this the call into node:zlib, which makes a stream object each time, costs more than WebAssembly does. */
export const NATIVE_ZSTD_FROM_BYTES = 32 * 1024;

interface ZstdOptions {
  readonly params: Record<number, number>;
  /** Puts the content size into the header, which readers here insist on. */
  readonly pledgedSrcSize: number;
}
interface ZlibWithZstd {
  zstdCompressSync(bytes: Uint8Array, options: ZstdOptions): Buffer;
  readonly constants: { readonly ZSTD_c_compressionLevel: number };
}

const withZstd = "zstdCompressSync" in zlib ? (zlib as unknown as ZlibWithZstd) : undefined;

export const hasNativeZstd = withZstd !== undefined;

/**
 * A frame made by the Zstandard inside Node.js 22.15 and later: measured a third faster from 64 KiB on. It only
 * compresses: decompression is faster in WebAssembly up to the largest size tried, 256 KiB.
 */
export function compressWithNativeZstd(bytes: Uint8Array, level: number): Buffer {
  if (withZstd === undefined) throw new TypeError("this Node.js has no zstd of its own");
  const params = { [withZstd.constants.ZSTD_c_compressionLevel]: level };
  return withZstd.zstdCompressSync(bytes, { params, pledgedSrcSize: bytes.length });
}
